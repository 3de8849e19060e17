"""`mrcnn evaluate`: box, mask and boundary AP of trained weights."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mrcnn.cli.common import (
    FORMAT,
    OUTPUT,
    WHOLE,
    Batch,
    DatasetFolder,
    FormatName,
    FormatOptions,
    ModelOptions,
    Workers,
    dataset_folder,
    progress_bar,
    refuse_wrong_names,
    trained_config,
)
from mrcnn.errors import InputError
from mrcnn.files.writing import write_json
from mrcnn.hub.words import TRAINED

if TYPE_CHECKING:
    from mrcnn.config import Config
    from mrcnn.data.datasets.coco import CocoDataset


def evaluate(
    dataset: DatasetFolder = None,
    *,
    model: ModelOptions,
    split: Annotated[str, Parameter(alias="--subset")] = "val",
    format: Annotated[FormatName, Parameter(group=FORMAT)] = "auto",
    options: FormatOptions = FormatOptions(),
    limit: Annotated[int | None, WHOLE, Parameter(metavar="N")] = None,
    min_score: float = 0.0,
    batch: Batch = 2,
    workers: Workers = 0,
    out: Annotated[Path, Parameter(group=OUTPUT)] = Path("results/evaluate"),
) -> int:
    """Evaluate weights: box, mask and boundary AP.

    ```
    mrcnn evaluate --weights last
    mrcnn evaluate datasets/coco --weights runs/coco --split val
    ```

    Without DATASET it takes what the weights were trained on, where their folder says it. Data of
    another format than COCO's are written in it into the folder of the results, as annotations
    alone.

    It prints the scores and writes results.json (COCO's result format) and metrics.json (the
    scores, and under "run" what was evaluated).

    An image that does not open or has another size than its annotation is refused before the first
    one is worked on. One that turns out to be damaged later is left out, named and counted, and the
    exit code is then 1.

    Args:
        split: Part of the dataset; 'all' is every image of data that are not divided.
        format: Format of the annotations.
        limit: Evaluate only the first N images.
        min_score: Leave out detections of a lower score; AP counts the unsure ones too.
        out: Folder of the results.
    """
    refuse_wrong_names(dataset, format, options, model, model.weights, TRAINED)
    from mrcnn.data.checks.files import refuse_bad_files
    from mrcnn.data.checks.learnable import refuse_nothing
    from mrcnn.data.checks.whole import refuse_other_units
    from mrcnn.data.datasets.coco import read_annotations
    from mrcnn.evaluation import (
        Passed,
        coco_results,
        detect_readable,
        evaluate_results,
        metrics_table,
    )
    from mrcnn.trained import find_weights, load_model

    if limit is not None and limit < 1:
        raise InputError(f"--limit must be at least 1, got {limit}")
    config = trained_config(model, {"DETECTION_MIN_CONFIDENCE": "give --min-score"}).update(
        IMAGES_PER_GPU=batch, GPU_COUNT=1, DETECTION_MIN_CONFIDENCE=min_score
    )
    weights = find_weights(model.weights)
    source = dataset or trained_on(weights) or dataset_folder(None)
    data = evaluation_data(source, split, config, out, format, options)
    check_classes(config, data)
    annotations = str(data.annotation_file)
    image_ids = data.image_ids[:limit].tolist()
    refuse_nothing(data, annotations, "to be judged by", image_ids)
    truth = read_annotations(annotations)
    refuse_other_units(truth, annotations)
    refuse_bad_files(data, annotations, image_ids)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("results.json", "metrics.json"):
        # Older ones must not be taken for those of this run.
        (out / name).unlink(missing_ok=True)
    detector = load_model(config, weights)

    start = time.perf_counter()
    results: list[dict[str, Any]] = []
    done: list[Any] = []  # ids in the file
    passed = Passed(len(image_ids))
    try:
        for image_id, found in detect_readable(
            detector, data, image_ids, workers=workers, masks="rle"
        ):
            if isinstance(found, InputError):
                passed(image_id, found)
                continue
            results += coco_results(image_id, found, data)
            done.append(data.image_info[image_id]["id"])
    finally:
        # Whatever ends it: an hour of detection must not be lost.
        write_json(out / "results.json", results)
    seconds = time.perf_counter() - start
    metrics = evaluate_results(truth, results, done)
    run = {
        "weights": str(weights),
        "annotations": annotations,
        "images": len(done),
        "left_out": [data.image_info[image_id]["id"] for image_id in passed.ids],
        "detections": len(results),
        "seconds_per_image": seconds / len(image_ids),
    }
    write_json(out / "metrics.json", {**metrics, "run": run}, indent=2)
    print(f"{len(done)} images of {annotations}, {len(results)} detections\n")
    print(metrics_table(metrics))
    print(f"\nresults.json and metrics.json are in {out}")
    if passed:
        print(passed, file=sys.stderr)
    return 1 if passed else 0


def trained_on(weights: Path) -> Path | None:
    """The data that weights in a run folder were trained on; None where nothing says it."""
    from mrcnn.cli.training.data import resumed_data
    from mrcnn.training.checkpoint import find_checkpoints, read_state

    checkpoints = find_checkpoints(weights.parent)
    state = read_state(checkpoints[-1]) if checkpoints else {}
    if "dataset" not in state:
        return None
    folder = resumed_data(None, checkpoints[-1], state)
    print(f"dataset: {folder}, which the weights were trained on")
    return folder


def evaluation_data(
    source: Path, split: str, config: "Config", out: Path, format: str, options: FormatOptions
) -> "CocoDataset":
    """A split of data of any format, in COCO's; with the classes of the weights in their order."""
    from mrcnn.data.conversion.convert import split_folder
    from mrcnn.data.datasets.coco import CocoDataset
    from mrcnn.data.recognition.recognise import recognise

    told = options.of_format()
    found = recognise(source, format, told)
    if found.format == "coco" and found.path.is_dir() and found.splits and told.images is None:
        return CocoDataset.from_folder(found.path, split)
    bar, names = progress_bar("reading"), (config.CLASS_NAMES or [""])[1:]
    folder = out / "dataset"
    return CocoDataset.from_folder(folder, split_folder(found, split, folder, bar, told, names))


def check_classes(config: "Config", dataset: "CocoDataset") -> None:
    """Refuse a dataset whose classes are not those of the weights: every name would be wrong.

    Raises:
        InputError: Number or names of the classes differ.
    """
    if dataset.num_classes != config.NUM_CLASSES:
        raise InputError(
            f"the dataset has {dataset.num_classes} classes with the background, "
            f"but NUM_CLASSES of the weights is {config.NUM_CLASSES}"
        )
    names = config.CLASS_NAMES or dataset.class_names
    for number, (ours, theirs) in enumerate(zip(names, dataset.class_names, strict=True)):
        if ours != theirs:
            raise InputError(
                f"class {number} is {ours!r} in the weights, but {theirs!r} in the dataset"
            )
