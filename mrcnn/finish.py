"""What a run leaves behind at its end: final.h5, curves, scores and pictures."""

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mrcnn.config import Config
from mrcnn.drawing.losses import plot_losses
from mrcnn.errors import InputError
from mrcnn.evaluation import (
    Passed,
    coco_results,
    detect_readable,
    evaluate_results,
    metrics_table,
)
from mrcnn.files.writing import write_json, write_with
from mrcnn.model import MaskRCNN
from mrcnn.report.low_ap import RunFacts, first_look
from mrcnn.report.run_pictures import choose_images, validation_sheet
from mrcnn.trained import load_model
from mrcnn.training.checkpoint import FINAL
from mrcnn.training.schedule import Stage

# The scores at the end must not take long; `mrcnn evaluate` takes all images.
MOST_IMAGES, MOST_SECONDS = 200, 120.0
PICTURED = 6


@dataclass(frozen=True)
class Validation:
    """The split that is scored.

    Attributes:
        dataset: Prepared.
        truth: Its annotations, in COCO's format.
    """

    dataset: Any
    truth: Mapping[str, Any]


@dataclass(frozen=True)
class RunEnd:
    """What is known of the run.

    Attributes:
        steps: Done.
        stages: Of the schedule.
        images: Of the training.
        backbone_random: Nothing was loaded into the backbone at the start.
    """

    steps: int
    stages: Sequence[Stage]
    images: int
    backbone_random: bool


def save_final(model: MaskRCNN) -> Path:
    """Write the weights alone into the run folder, whole or not at all."""
    path = Path(model.log_dir) / FINAL
    model.save_weights(path)
    return path


def write_report(
    final: Path, config: Config, end: RunEnd, validation: Validation | None, quiet: bool = False
) -> None:
    """Write curves.png, and with a validation split metrics.json and validation.png, beside the
    weights; print the scores, and what to look at first where they are near 0.

    What goes wrong is one line: the weights are safe, and a run must not end in an error for a
    picture.
    """
    try:
        plot_losses(final.parent / "log.csv", final.parent / "curves.png")
        if validation is None:
            print("no validation split, so no scores: --val-fraction 0.15 makes one")
            return
        _write_scores(final, config, end, validation, quiet)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        print(f"the report could not be finished ({reason}); the weights in {final} are whole")


def _write_scores(
    final: Path, config: Config, end: RunEnd, validation: Validation, quiet: bool
) -> None:
    dataset, folder = validation.dataset, final.parent
    ids = spread(list(dataset.image_ids), MOST_IMAGES, config.SEED)
    if not ids:
        print("the validation split has no images, so there are no scores")
        return
    settings = {"IMAGES_PER_GPU": 1, "GPU_COUNT": 1, "DETECTION_MIN_CONFIDENCE": 0.0}
    model = load_model(config.update(**settings), final)
    pictured = set(choose_images(dataset, PICTURED, ids[: 4 * PICTURED]))
    results: list[dict[str, Any]] = []
    seen: list[int] = []
    shown: dict[int, dict[str, np.ndarray]] = {}
    deadline = time.monotonic() + MOST_SECONDS
    passed = Passed(len(ids))
    for image_id, found in detect_readable(model, dataset, ids, progress=not quiet):
        if isinstance(found, InputError):
            passed(image_id, found)
            continue
        results += coco_results(image_id, found, dataset)
        seen.append(image_id)
        if image_id in pictured:
            shown[image_id] = found
        if time.monotonic() > deadline and pictured <= shown.keys():
            break
    sources = [dataset.image_info[i]["id"] for i in seen]
    truth = validation.truth
    metrics = evaluate_results(truth, results, sources)
    run = {"weights": final.name, "images": len(seen), "of_images": len(dataset.image_ids)}
    content = {**metrics, "run": {**run, "detections": len(results), "steps": end.steps}}
    write_json(folder / "metrics.json", content, indent=2)
    sheet = validation_sheet(dataset, shown, config.DETECTION_MIN_CONFIDENCE)
    write_with(folder / "validation.png", partial(Image.fromarray(sheet).save, format="PNG"))
    of = "" if len(seen) == len(dataset.image_ids) else f" of {len(dataset.image_ids):,}"
    print(f"\n{len(seen):,}{of} validation images, {len(results):,} detections\n")
    print(metrics_table(metrics))
    print(f"\ncurves.png, validation.png and metrics.json are in {folder}")
    facts = _facts(config, end, truth, metrics, results, sources)
    lines = first_look(replace(facts, **_losses(folder / "log.csv")))
    if lines:
        print(f"\nAP is near 0 ({facts.mask_ap:.3f}). Look at this first:")
        print("\n".join(f"- {line}" for line in lines))


def spread(ids: Sequence[int], most: int, seed: int) -> list[int]:
    """At most so many ids in a random order that the seed decides: any part of it is a fair one."""
    order = np.random.default_rng(seed).permutation(len(ids))
    return [int(ids[place]) for place in order[:most]]


def _facts(
    config: Config,
    end: RunEnd,
    truth: Mapping[str, Any],
    metrics: Mapping[str, Mapping[str, Any]],
    results: list[dict[str, Any]],
    sources: Sequence[Any],
) -> RunFacts:
    box_ap = metrics["bbox"]["AP"]
    mask_ap = metrics["segm"]["AP"]
    if mask_ap is None:  # the objects have boxes alone
        mask_ap = box_ap
    if mask_ap is None:
        raise InputError("the validation images that were looked at have no objects")
    wanted = set(sources)
    return RunFacts(
        mask_ap=mask_ap,
        box_ap=box_ap,
        any_class_ap50=_any_class(truth, results, sources),
        images=len(sources),
        objects=sum(a["image_id"] in wanted for a in truth["annotations"]),
        detections=len(results),
        best_score=max((result["score"] for result in results), default=0.0),
        min_confidence=config.DETECTION_MIN_CONFIDENCE,
        # "small" is made to learn from nothing.
        backbone_random=end.backbone_random and config.BACKBONE != "small",
        steps=end.steps,
        epochs=end.steps * config.BATCH_SIZE / max(end.images, 1),
        learning_rate=end.stages[0].learning_rate,
    )


def _any_class(
    truth: Mapping[str, Any], results: list[dict[str, Any]], sources: Sequence[Any]
) -> float:
    """AP50 of boxes with all classes taken for one."""
    one = truth["categories"][:1]
    content = {
        **truth,
        "categories": one,
        "annotations": [{**a, "category_id": one[0]["id"]} for a in truth["annotations"]],
    }
    renamed = [{**result, "category_id": one[0]["id"]} for result in results]
    return evaluate_results(content, renamed, sources, ("bbox",))["bbox"]["AP50"] or 0.0


def _losses(log: Path) -> dict[str, tuple[float, ...]]:
    with open(log, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("loss")]
    series = {"losses": "train", "val_losses": "val"}
    return {
        name: tuple(float(row["loss"]) for row in rows if row["split"] == split)
        for name, split in series.items()
    }
