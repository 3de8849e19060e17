"""What `--weights` may name besides a file; known before a network library is loaded."""

from collections.abc import Sequence
from pathlib import Path

from mrcnn.errors import InputError, near_path, nearest

NONE, LAST = "none", "last"
# Of ImageNet, for the backbone; the second are later ones of torchvision's ResNets.
IMAGENET, IMAGENET_V2 = "imagenet", "imagenet-v2"
# Whole models, trained on COCO. The original's has two: "coco" is that in its commands.
COCO, MATTERPORT, TORCHVISION, TORCHVISION_V2 = (
    "coco",
    "matterport",
    "torchvision",
    "torchvision-v2",
)
BACKBONE_NAMES = (IMAGENET, IMAGENET_V2)
MODEL_NAMES = (COCO, MATTERPORT, TORCHVISION, TORCHVISION_V2)
WORDS = (NONE, *BACKBONE_NAMES, *MODEL_NAMES, LAST)
# Of commands that take a trained model.
TRAINED = (LAST, *MODEL_NAMES)


def refuse_unknown_weights(weights: str, words: Sequence[str] = TRAINED) -> None:
    """Refuse what is neither a file or folder nor one of `words`; say which was probably meant.

    Raises:
        InputError: There is no such file, folder or name.
    """
    path = Path(weights)
    if weights in words or path.exists():
        return
    if path.suffix or path.name != weights:
        raise InputError(f"weight file or run folder {path} does not exist.{near_path(path)}")
    raise InputError(
        f"--weights {weights}: there is no such file or run folder, and no weights of that "
        f"name; the names are {', '.join(words)}.{nearest(weights, words)}"
    )
