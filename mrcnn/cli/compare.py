"""`mrcnn demo --compare`: a model without and one with the edge loss, on the same image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mrcnn.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from mrcnn.data.datasets.dataset import Dataset
    from mrcnn.drawing.matches import Matches, ObjectSet
    from mrcnn.model import MaskRCNN

# Columns of the picture, and pixels of each.
TITLES = ("ground truth", "baseline", "with the edge loss")
CELL = 300
# Letters in pixels of the picture.
LETTERS = 13
# Images with fewer objects say little about masks.
LEAST_OBJECTS = 3
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
        "image with the median difference."
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


def draw(
    image: "np.ndarray",
    truth: "ObjectSet",
    judged: Sequence[Judged],
    class_names: Sequence[str],
    note: str,
) -> "np.ndarray":
    """Draw the picture, (H, W, 3) uint8: above masks, below the image and the wrong pixels."""
    import numpy as np

    from mrcnn.drawing.matches import colors_by_match, mark_errors, match_marks
    from mrcnn.drawing.style import Style, match_colors
    from mrcnn.visualize import draw_instances, picture_sheet

    side = max(image.shape[:2])
    # Drawn no smaller than the cell that it is then shrunk into.
    scale = max(1, -(-CELL // side))
    style = Style(boxes=False, line_width=1.5 * scale * side / CELL)
    colors = [match_colors(len(truth.boxes))] + [colors_by_match(j.matches)[1] for j in judged]
    marks = [None] + [match_marks(j.matches)[1] for j in judged]
    above = [
        draw_instances(
            image,
            shown.boxes,
            shown.masks,
            shown.class_ids,
            class_names,
            shown.scores,
            scale=scale,
            font_size=LETTERS * scale * side / CELL,
            style=style,
            colors=colors[place],
            marks=marks[place],
        )
        for place, shown in enumerate([truth, *(j.found for j in judged)])
    ]
    # What lies in a crowd is neither right nor wrong.
    objects = ~(truth.class_ids < 0)
    right = np.any(truth.masks[:, :, objects], axis=2)
    below = [image]
    for one in judged:
        found = np.any(one.found.masks[:, :, ~one.matches.ignored], axis=2)
        below.append(mark_errors(image, right, found).repeat(scale, axis=0).repeat(scale, axis=1))
    captions = [["", *(one.caption() for one in judged)], ["image", "wrong pixels", "wrong pixels"]]
    return picture_sheet([above, below], TITLES, CELL, captions=captions, note=f"{COLORS} {note}")
