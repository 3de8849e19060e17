"""Images of a dataset with what is true and what a model finds, as one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mrcnn.drawing.matches import ObjectSet, draw_matches
from mrcnn.drawing.raster import draw_instances
from mrcnn.drawing.sheets import picture_sheet
from mrcnn.drawing.style import ColorBy, Style

CELL = 360
MATCHES = (
    "An object and its prediction have one color. Missed objects: yellow, a dashed outline. False "
    "ones: red, with stripes."
)
# Of other colors.
MARKS = "Missed objects have a dashed outline, false ones stripes."
# Shown where no score reaches the one that is asked for: a picture without a detection tells less.
LEAST_SCORE = 0.05


def choose_images(dataset: Any, count: int, image_ids: Sequence[int] | None = None) -> list[int]:
    """Spread `count` images over a dataset, or over some images of it, from those that show objects
    if there are any.
    """
    ids = list(dataset.image_ids if image_ids is None else image_ids)
    pool = [i for i in ids if len(dataset.load_instances(i).class_ids)] or ids
    places = np.linspace(0, len(pool) - 1, min(count, len(pool)))
    return [int(pool[round(place)]) for place in places]


def sheet_row(
    dataset: Any,
    image_id: int,
    found: Mapping[str, np.ndarray],
    style: Style | None = None,
    cell: int = CELL,
) -> list[np.ndarray]:
    """The image, its ground truth and the prediction, drawn so that labels stay readable in a cell
    of so many pixels; without a style, objects are colored by match.
    """
    image, truth = dataset.load_image(image_id), dataset.load_instances(image_id)
    side = max(image.shape[:2])
    # Drawn no smaller than the cell that it is then shrunk into, with letters of 14 pixels there.
    scale = max(1, -(-cell // side))
    shrunk = scale * side / cell
    drawn: dict[str, Any] = {"scale": scale, "font_size": 14 * shrunk}
    style = style or Style(color_by=ColorBy.MATCH)
    style = replace(style, line_width=(style.line_width or 1.5) * shrunk)
    names = dataset.class_names
    plain = draw_instances(image, np.zeros((0, 4), np.float32), None, [], names, **drawn)
    objects, predicted = ObjectSet.of_truth(truth), ObjectSet.of_detections(found)
    return [plain, *draw_matches(image, objects, predicted, names, style, **drawn)]


def validation_sheet(
    dataset: Any, found: Mapping[int, Mapping[str, np.ndarray]], min_score: float
) -> np.ndarray:
    """A line for each image: as it is, its ground truth, and what was found.

    Args:
        dataset: The prepared dataset.
        found: By image id `rois`, `class_ids`, `scores` and `masks`.
        min_score: Least score of a detection that is shown; where none in all of the images has
            it, `LEAST_SCORE`.

    Returns:
        The sheet, (H, W, 3) uint8.
    """
    best = max((float(f["scores"].max(initial=0)) for f in found.values()), default=0.0)
    shown = min_score if best >= min_score else min(min_score, LEAST_SCORE)
    rows = [sheet_row(dataset, i, _above(one, shown)) for i, one in found.items()]
    titles = ("image", "ground truth", f"found, score from {shown:g}")
    return picture_sheet(rows, titles, cell=CELL, note=MATCHES)


def _above(found: Mapping[str, np.ndarray], score: float) -> dict[str, np.ndarray]:
    kept = found["scores"] >= score
    return {
        "rois": found["rois"][kept],
        "class_ids": found["class_ids"][kept],
        "scores": found["scores"][kept],
        "masks": found["masks"][:, :, kept],
    }
