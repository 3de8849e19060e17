"""Stages of a training run: which layers learn, for how many steps, at which rate."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import keras

from mrcnn.errors import InputError, nearest
from mrcnn.modeling.losses import Losses
from mrcnn.modeling.network import Network

# Section 4.1 of arXiv 1809.07069: 40k steps of the heads, 80k from ResNet stage 4 up, 40k of
# everything at a tenth of the rate. The long runs extend the last stage; those over the weight of
# the loss stop at 120k.
SCHEDULES: dict[str, list[tuple[str, int, float]]] = {
    "paper": [("heads", 40_000, 0.001), ("4+", 80_000, 0.001), ("all", 40_000, 0.0001)],
    "120k": [("heads", 40_000, 0.001), ("4+", 80_000, 0.001)],
    "320k": [("heads", 40_000, 0.001), ("4+", 80_000, 0.001), ("all", 200_000, 0.0001)],
    "640k": [("heads", 40_000, 0.001), ("4+", 80_000, 0.001), ("all", 520_000, 0.0001)],
}
# Of a backbone, which ends with C5.
LAST_STAGE = 5
HEADS = re.compile(r"mrcnn_.*|rpn_.*|fpn_.*")


@dataclass(frozen=True)
class Stage:
    """`steps` steps at `learning_rate` of the layers chosen by `layers` (see `trainable_names`)."""

    layers: str
    steps: int
    learning_rate: float


def parse_schedule(schedule: str | Sequence, scale: float = 1.0) -> list[Stage]:
    """Stages from a name in `SCHEDULES` or from (layers, steps, rate) triples.

    Args:
        scale: Factor of the number of steps; every stage keeps at least one.

    Raises:
        InputError: No such schedule, no positive number of steps, or a bad choice of layers.
    """
    if isinstance(schedule, str):
        if schedule not in SCHEDULES:
            raise InputError(
                f"schedule {schedule!r} does not exist; there are {', '.join(SCHEDULES)}."
                f"{nearest(schedule, SCHEDULES)}"
            )
        schedule = SCHEDULES[schedule]
    if not schedule:
        raise InputError("a schedule needs at least one stage (layers, steps, learning rate)")
    if not 0 < scale < math.inf:
        raise InputError(f"the scale of the steps must be positive and finite, got {scale}")
    stages = [Stage(layers, max(1, round(steps * scale)), rate) for layers, steps, rate in schedule]
    for stage, (_, steps, _) in zip(stages, schedule, strict=True):
        if steps < 1 or not stage.learning_rate > 0:
            raise InputError(f"a stage needs positive steps and a positive rate, got {stage}")
        layer_pattern(stage.layers)
    return stages


def locate(stages: Sequence[Stage], step: int) -> tuple[int, int]:
    """Index of the stage that global step `step` belongs to, and the step within it."""
    for index, stage in enumerate(stages):
        if step < stage.steps:
            return index, step
        step -= stage.steps
    return len(stages), step


def before(stages: Sequence[Stage], step: int) -> list[Stage]:
    """The part of a schedule that lies before global step `step`."""
    index, inner = locate(stages, step)
    done = list(stages[:index])
    return [*done, replace(stages[index], steps=inner)] if inner and index < len(stages) else done


def layer_pattern(layers: str) -> tuple[int | None, re.Pattern]:
    """What "heads", "3+", "4+", "5+", "all" or a regular expression mean: first backbone stage,
    pattern of names.
    """
    if layers == "heads":
        return None, HEADS
    if layers == "all":
        return 1, re.compile(".*")
    if re.fullmatch(r"[2-5]\+", layers):
        return int(layers[0]), HEADS
    try:
        return None, re.compile(layers)
    except re.error as error:
        raise InputError(f"layers {layers!r} is no valid regular expression: {error}") from None


def set_trainable(network: Network, layers: str) -> int:
    """Let the chosen layers of the network learn and freeze all others; returns the number of
    weights that learn.

    What weights the losses always learns, and is not counted.

    Raises:
        InputError: No layer matches.
    """
    chosen = {id(layer) for layer in stage_layers(network, layers)}
    learning = 0
    for layer in all_layers(network):
        layer.trainable = isinstance(layer, Losses) or id(layer) in chosen
        if id(layer) in chosen:
            learning += len(layer.trainable_variables)
    if not learning:
        allowed = network.config.TRAINABLE_LAYERS
        limit = f" that TRAINABLE_LAYERS {allowed} lets learn" if allowed < LAST_STAGE else ""
        raise InputError(
            f"no layer of the network{limit} matches {layers!r}: nothing would be trained"
        )
    return learning


def stage_layers(network: Network, layers: str) -> list[keras.Layer]:
    """The layers that `layers` chooses and `TRAINABLE_LAYERS` allows, those that weight the losses
    left aside.
    """
    first, pattern = layer_pattern(layers)
    stages = network.layer_stages()
    frozen = LAST_STAGE - network.config.TRAINABLE_LAYERS
    return [
        layer
        for layer in all_layers(network)
        if not isinstance(layer, Losses)
        and stages.get(layer.name, math.inf) > frozen
        and (pattern.fullmatch(layer.name) or (first and stages.get(layer.name, 0) >= first))
    ]


def all_layers(network: Network) -> Iterator[keras.Layer]:
    """All layers, those of a backbone that is a model of its own too."""
    for layer in network.builder.layers.values():
        yield from layer.layers if isinstance(layer, keras.Model) else [layer]
