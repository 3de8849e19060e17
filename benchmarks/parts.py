"""What the benchmark measures: training steps, inference, detection and the loader."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
from flops import Product, count_products, executed_flops, forward_flops, nominal_flops
from measure import ConvolutionRate, PeakMemory, Timing, measure, summary, timed, wait_for

from mrcnn.backend import compiled, jit_compile, seeded_weights
from mrcnn.config import Config
from mrcnn.data.pipeline.loader import Loader
from mrcnn.edge import edge_losses
from mrcnn.model import SLOTS, MaskRCNN
from mrcnn.modeling.network import Network, dummy_batch
from mrcnn.training.optimizer import make_optimizer
from mrcnn.training.schedule import set_trainable

OBJECTS = 8
# What the loader reads ahead is less than this many batches; a repeat takes about so many seconds.
LOADER_BATCHES = 16
LOADER_SECONDS = 2.0


@dataclass(frozen=True)
class Settings:
    """Size (height, width) of the input, images in a batch, repeats, and the machine's rate."""

    config: Config
    size: tuple[int, int]
    batch: int
    repeats: int
    warmup: int
    rate: ConvolutionRate


@dataclass(frozen=True)
class Flops:
    """Operations of one repeat: see `executed_flops` and `nominal_flops`."""

    executed: int
    nominal: int


def bench(
    settings: Settings,
    part: str,
    work: dict[str, Callable[[], Any]],
    flops: dict[str, Flops],
    images: int,
    probe: bool = True,
) -> dict[str, tuple[dict[str, Any], Timing]]:
    """Measure the variants of one part in turn; a row for the table and the raw times of each.

    Args:
        settings: Repeats and the machine's rate.
        part: Its name.
        work: What to run, by variant.
        flops: Operations by variant, where there are any to count.
        images: Images of one repeat.
        probe: Measure the machine's rate around every repeat too.
    """
    memory = PeakMemory()
    before = settings.rate.all()
    rate = settings.rate.quick if probe else lambda: before[settings.rate.reference]
    timings = measure(work, settings.repeats, settings.warmup, rate)
    after, peak = settings.rate.all(), memory.bytes()
    results = {}
    for name, timing in timings.items():
        seconds = summary(timing.seconds)
        row = {
            "part": part,
            "variant": name,
            "images": images,
            "seconds": seconds,
            "cpu_seconds": summary(timing.cpu_seconds),
            "images_per_second": images / seconds["median"],
            "peak_bytes": peak,
            "rate_before": before,
            "rate_after": after,
            "rate_around": summary(timing.gflops_around),
            "raw": timing.raw(),
        }
        if name in flops:
            count = flops[name]
            row["gflop"] = {"executed": count.executed / 1e9, "nominal": count.nominal / 1e9}
            row["share"] = {
                "executed": summary(timing.shares(count.executed)),
                "nominal": summary(timing.shares(count.nominal)),
            }
        results[name] = row, timing
    return results


def with_edge(config: Config, edge: str) -> tuple[Config, dict[str, Callable]]:
    """The configuration and the mask losses of filters joined by "+", or of "none".

    Raises:
        InputError: A filter does not exist.
    """
    config = config.update(EDGE_LOSS_FILTERS=[] if edge == "none" else edge.split("+"))
    return config, edge_losses(config)


class Networks:
    """One network for each choice of edge filters, all with the weights of the first.

    Args:
        settings: What to build.
        edges: Filters joined by "+", or "none".

    Raises:
        InputError: A filter or the backbone does not exist.
    """

    def __init__(self, settings: Settings, edges: list[str]):
        self.settings = settings
        self.networks: dict[str, Network] = {}
        weights = None
        for edge in edges:
            config, losses = with_edge(settings.config, edge)
            network = Network(config, losses)
            with seeded_weights(config.SEED):
                model = network.training(settings.size)
            if weights is None:
                weights = model.get_weights()
            else:
                model.set_weights(weights)
            self.networks[edge] = network
        self.data = dummy_batch(settings.config, settings.batch, settings.size, objects=OBJECTS)

    def train(self, layers: str) -> dict[str, tuple[dict[str, Any], Timing]]:
        """Measure a training step of `layers` for every choice of edge filters.

        At a rate of 0 a step does all its work and every repeat starts from the same weights.
        """
        work, flops = {}, {}
        for edge, network in self.networks.items():
            set_trainable(network, layers)
            model = network.training(self.settings.size)
            optimizer = make_optimizer(network.config, 0.0)
            model.compile(optimizer=optimizer, jit_compile=jit_compile())
            optimizer.build(model.trainable_variables)
            work[edge] = _step(model, self.data)
            flops[edge] = training_flops(count_products(model, self.settings.batch), network.config)
        return bench(self.settings, f"train-{layers}", work, flops, self.settings.batch)

    def infer(self) -> dict[str, tuple[dict[str, Any], Timing]]:
        """Measure the whole inference network, with masks for all detection slots.

        The edge loss does not exist at inference, so there is one variant.
        """
        network = next(iter(self.networks.values()))
        model = network.inference(self.settings.size)
        run = compiled(model)
        inputs = [self.data["input_image"], self.data["input_image_meta"]]
        count = forward_flops(count_products(model, self.settings.batch))
        return bench(
            self.settings,
            "inference",
            {"": lambda: wait_for(run(inputs))},
            {"": Flops(count, count)},
            self.settings.batch,
        )


def _step(model: keras.Model, data: dict[str, np.ndarray]) -> Callable[[], Any]:
    def run() -> dict[str, float]:
        model.reset_metrics()
        values = model.train_on_batch(data, return_dict=True)
        return {name: float(value) for name, value in values.items()}

    return run


def training_flops(products: list[Product], config: Config) -> Flops:
    """Operations of a training step, of this implementation and of the published architecture."""
    factor = config.TRAIN_ROIS_PER_IMAGE / config.POSITIVE_ROIS
    return Flops(executed_flops(products), nominal_flops(products, factor))


def detect(settings: Settings, forced: int | None) -> dict[str, tuple[dict[str, Any], Timing]]:
    """Measure `MaskRCNN.detect` on one image of the input's size, from pixels to pasted masks.

    Args:
        settings: What to build.
        forced: Have this many detections, as far as the proposals allow: no lowest score, this
            many slots, and logits that never say background. None takes what random weights find.
    """
    config = settings.config.update(IMAGES_PER_GPU=1)
    if forced is not None:
        config = config.update(DETECTION_MIN_CONFIDENCE=0.0, DETECTION_MAX_INSTANCES=forced)
    model = MaskRCNN("inference", config, "logs")
    if forced is not None:
        _, bias = model.layers()["mrcnn_class_logits"]
        bias.assign(np.where(np.arange(config.NUM_CLASSES) == 0, -1e6, 0.0))
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*settings.size, config.IMAGE_CHANNEL_COUNT), dtype=np.uint8)
    found = len(model.detect([image])[0]["class_ids"])
    name = f"{found} found"
    work = {name: lambda: model.detect([image])}
    return bench(settings, "detect", work, {name: detection_flops(model, settings.size, found)}, 1)


def detection_flops(model: MaskRCNN, size: tuple[int, int], found: int) -> Flops:
    """Operations of `detect`: masks for as many slots as the detections need, nominally for all."""
    network, config = model.network, model.config
    detector = forward_flops(count_products(network.detector(size), 1))

    def masks(slots: int) -> int:
        return forward_flops(count_products(network.segmenter(size, slots), 1)) if slots else 0

    every = config.DETECTION_MAX_INSTANCES
    slots = min([s for s in SLOTS if s >= found] + [every]) if found else 0
    return Flops(detector + masks(slots), detector + masks(every))


def load(
    settings: Settings, dataset: Any, workers: list[int]
) -> list[dict[str, tuple[dict[str, Any], Timing]]]:
    """Measure the loader on a dataset: images of the input's size, flips and mini masks.

    A repeat is long enough that what was read ahead does not change its time, and no convolution
    runs between repeats, because the loader would go on reading. Memory and CPU time are those of
    this process, without worker processes.
    """
    config = settings.config.update(NUM_CLASSES=dataset.num_classes)
    results = []
    for workers_used in workers:
        loader = Loader(dataset, config, settings.batch, flip=True, workers=workers_used)
        with loader.batches() as batches:
            _take(batches, LOADER_BATCHES)  # starts the processes
            seconds = timed(partial(_take, batches, LOADER_BATCHES))[0]
            count = max(LOADER_BATCHES, round(LOADER_BATCHES * LOADER_SECONDS / seconds))
            work = {f"workers {workers_used}": partial(_take, batches, count)}
            images = count * settings.batch
            results.append(bench(settings, "loader", work, {}, images, probe=False))
    return results


def _take(batches: Iterator[Any], count: int) -> None:
    for _ in range(count):
        next(batches)
