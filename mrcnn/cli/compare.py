"""`mrcnn demo --compare`: a model without and one with the edge loss, on the same image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mrcnn.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from mrcnn.data.datasets.dataset import Dataset
    from mrcnn.drawing.images import Color
    from mrcnn.drawing.matches import Matches, ObjectSet
    from mrcnn.drawing.style import Mark
    from mrcnn.model import MaskRCNN

# Columns of the picture, and pixels of each.
TITLES = ("ground truth", "baseline", "with the edge loss")
CELL = 300
# Letters in pixels of the picture.
LETTERS = 13
# Images with fewer objects say little about masks.
LEAST_OBJECTS = 3
# Shown around the objects, as a share of the longer side of the image.
MARGIN = 0.06
COLORS = "Wrong pixels of the masks: blue where an object is left out, orange where there is none."


@dataclass(frozen=True)
class Judged:
    """What a model made of an image.

    Attributes:
        found: What it predicts.
        matches: With the objects.
        iou: Mean IoU of the masks of all objects and their predictions, 0 for a missed object.
    """

    found: "ObjectSet"
    matches: "Matches"
    iou: float

    def caption(self) -> str:
        """The scores in words."""
        objects = ~self.matches.crowds
        hits, false = int((self.matches.objects[objects] >= 0).sum()), self.matches.false.sum()
        return f"mask IoU {self.iou:.3f}, {hits} of {objects.sum()} objects, {false} false"


class Panel(NamedTuple):
    """What is drawn on an image, with the color and the mark of each."""

    shown: "ObjectSet"
    colors: "Sequence[Color]"
    marks: "Sequence[Mark]"


def compare(dataset: "Dataset", models: "Sequence[MaskRCNN]", out: Path) -> str:
    """Draw the ground truth and what two models find on an image, with the wrong pixels.

    The image is not the one that looks best: it is that with the median difference between the
    mask IoU of the second and of the first model, among those with at least three objects.

    Args:
        dataset: Images that neither model was trained on.
        models: The baseline, and the model with the edge loss, in inference mode.
        out: The picture, a PNG file.

    Returns:
        What was drawn and why, in words.

    Raises:
        InputError: No image has three objects.
    """
    from PIL import Image

    from mrcnn.drawing.matches import ObjectSet

    truths = {}
    for image_id in dataset.image_ids:
        objects = dataset.load_instances(image_id)
        if (objects.class_ids > 0).sum() >= LEAST_OBJECTS:
            truths[int(image_id)] = ObjectSet.of_truth(objects)
    if not truths:
        raise InputError(f"no image has {LEAST_OBJECTS} objects, which a comparison needs")
    judged = [judge(model, dataset, truths) for model in models]
    ids = list(truths)
    ious = [[images[image_id].iou for image_id in ids] for images in judged]
    chosen = ids[median_place([edge - plain for plain, edge in zip(*ious, strict=True)])]
    means = [sum(values) / len(values) for values in ious]
    words = (
        f"Mean mask IoU over the {len(ids)} validation images with at least {LEAST_OBJECTS} "
        f"objects: {means[0]:.3f} without and {means[1]:.3f} with the edge loss. Shown is the "
        "image with the median difference, cut to its objects."
    )
    image, names = dataset.load_image(chosen), dataset.class_names
    picture = draw(image, truths[chosen], [images[chosen] for images in judged], names, words)
    # A fifth of the room; of Pillow's methods this one keeps the colors of marks, which are rare.
    colors = Image.fromarray(picture).quantize(256, method=Image.Quantize.FASTOCTREE)
    colors.save(out, optimize=True)
    return words


def judge(
    model: "MaskRCNN", dataset: "Dataset", truths: "dict[int, ObjectSet]"
) -> dict[int, Judged]:
    """Run a model over images and compare what it finds with what is true."""
    from mrcnn.drawing.matches import ObjectSet, match_instances
    from mrcnn.evaluation import detect_dataset

    judged = {}
    for image_id, result in detect_dataset(model, dataset, list(truths)):
        found = ObjectSet.of_detections(result)
        matches = match_instances(truths[image_id], found)
        judged[image_id] = Judged(found, matches, float(matches.ious[~matches.crowds].mean()))
    return judged


def median_place(values: Sequence[float]) -> int:
    """The position of the median, of an even number of values the lower one of both."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    return order[(len(values) - 1) // 2]


def view(shown: "Sequence[ObjectSet]", size: tuple[int, int]) -> list[int]:
    """The part of an image of height and width `size` that holds all objects and predictions, with
    a margin: y1, x1, y2, x2.
    """
    import numpy as np

    boxes = np.concatenate([objects.boxes for objects in shown if len(objects.boxes)])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    margin = MARGIN * max(size)
    first = np.floor(np.maximum(low - margin, 0)).astype(int)
    last = np.ceil(np.minimum(high + margin, size)).astype(int)
    return [*first.tolist(), *last.tolist()]


def draw(
    image: "np.ndarray",
    truth: "ObjectSet",
    judged: Sequence[Judged],
    class_names: Sequence[str],
    note: str,
) -> "np.ndarray":
    """Draw the picture, (H, W, 3) uint8: above masks, below the image and the wrong pixels."""
    import numpy as np

    from mrcnn.drawing.images import to_rgb
    from mrcnn.drawing.matches import mark_errors, wrong_pixels
    from mrcnn.drawing.style import Mark, Style, match_colors
    from mrcnn.visualize import draw_instances, picture_sheet

    window = view([truth, *(one.found for one in judged)], image.shape[:2])
    rows, columns = slice(window[0], window[2]), slice(window[1], window[3])
    image = to_rgb(image)[rows, columns]
    side = max(image.shape[:2])
    # Drawn no smaller than the cell that it is then shrunk into.
    scale = max(1, -(-CELL // side))
    style = Style(boxes=False, line_width=1.5 * scale * side / CELL)

    def enlarged(picture: np.ndarray) -> np.ndarray:
        return picture.repeat(scale, axis=0).repeat(scale, axis=1)

    panels = [Panel(truth, match_colors(len(truth.boxes)), [Mark.NONE] * len(truth.boxes))]
    panels += [with_missed(truth, one) for one in judged]
    above, below = [], [enlarged(image)]
    for shown, colors, marks in panels:
        captions = [
            f"{mark}: {text}" if mark else text
            for mark, text in zip(marks, shown.captions(class_names), strict=True)
        ]
        picture = draw_instances(
            image,
            shown.boxes - np.tile(window[:2], 2),
            shown.masks[rows, columns],
            shown.class_ids,
            class_names,
            captions=captions,
            scale=scale,
            font_size=LETTERS * scale * side / CELL,
            style=style,
            colors=colors,
            marks=marks,
        )
        above.append(picture)
    for one in judged:
        wrong = [pixels[rows, columns] for pixels in wrong_pixels(truth, one.found, one.matches)]
        below.append(enlarged(mark_errors(image, *wrong)))
    lines = [["", *(one.caption() for one in judged)], ["image", "wrong pixels", "wrong pixels"]]
    return picture_sheet([above, below], TITLES, CELL, captions=lines, note=f"{COLORS} {note}")


def with_missed(truth: "ObjectSet", judged: Judged) -> Panel:
    """What a model found, and after it the objects that it missed."""
    import numpy as np

    from mrcnn.drawing.matches import colors_by_match, match_marks
    from mrcnn.visualize import ObjectSet

    found, missed = judged.found, np.flatnonzero(judged.matches.missed)
    objects, predictions = colors_by_match(judged.matches)
    marks = match_marks(judged.matches)
    shown = ObjectSet(
        np.concatenate([found.boxes, truth.boxes[missed]]),
        np.concatenate([found.masks, truth.masks[:, :, missed]], axis=2),
        np.concatenate([found.class_ids, truth.class_ids[missed]]),
    )
    colors = [*predictions, *(objects[index] for index in missed)]
    return Panel(shown, colors, [*marks[1], *(marks[0][index] for index in missed)])
