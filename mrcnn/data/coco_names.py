"""The classes of MS COCO, and names for the classes of a model."""

from collections.abc import Sequence

# The names of MS COCO in the order of their category ids, which are 1 to 90 with holes.
# fmt: off
COCO_NAMES = [
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich",
    "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote",
    "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book",
    "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
]
# fmt: on
COCO_IDS = sorted(set(range(1, 91)) - {12, 26, 29, 30, 45, 66, 68, 69, 71, 83})


def class_names(names: Sequence[str] | None, num_classes: int) -> list[str]:
    """Names of all classes with "BG" first: those of the run, else COCO's if it can be COCO."""
    if names:
        return list(names)
    if num_classes == 1 + len(COCO_NAMES):
        return ["BG", *COCO_NAMES]
    return ["BG", *(f"class {number}" for number in range(1, num_classes))]
