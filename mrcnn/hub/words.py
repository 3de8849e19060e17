"""What `--weights` may name besides a file; known before a network library is loaded."""

from collections.abc import Sequence
from pathlib import Path

from mrcnn.errors import InputError, near_path, nearest

NONE, LAST, IMAGENET, COCO = "none", "last", "imagenet", "coco"
WORDS = (NONE, IMAGENET, COCO, LAST)


def refuse_unknown_weights(weights: str, words: Sequence[str] = (LAST,)) -> None:
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
