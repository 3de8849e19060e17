"""Published weights by their names, fetched where they are not there yet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrcnn.errors import InputError
from mrcnn.hub.cache import keras_folder, weights_folder
from mrcnn.hub.download import download, fault_of, is_whole
from mrcnn.hub.imagenet import IMAGENET_URL, LATER_IMAGENET_MD5
from mrcnn.hub.sources import Source, backbone_source, model_source
from mrcnn.hub.words import BACKBONE_NAMES, MODEL_NAMES


def find_source(
    name: str, backbone: Any = None, arguments: Mapping[str, Any] | None = None
) -> Source:
    """Return the source of weights that have a name.

    Args:
        name: One of `mrcnn.hub.words.MODEL_NAMES` or `BACKBONE_NAMES`.
        backbone: Of ImageNet weights: `Config.BACKBONE`.
        arguments: Of ImageNet weights: `Config.BACKBONE_ARGS`.

    Raises:
        InputError: There are no such weights.
    """
    if name in BACKBONE_NAMES:
        return backbone_source(name, backbone, arguments or {})
    return model_source(name)


def fetch(source: Source, folder: str | Path | None = None, verbose: bool = True) -> Path:
    """The path of published weights as they are on the web, downloaded if they are not there.

    Args:
        source: Which.
        folder: Where to keep them; None is `mrcnn.hub.cache.weights_folder`. ImageNet weights are
            also taken from the folder of Keras.
        verbose: Say what is fetched, and show a progress bar.

    Raises:
        InputError: They cannot be had, are others than expected, or cannot be written.
    """
    path = Path(folder or weights_folder(source.name)) / source.file
    kept = [path] if folder or source.name in MODEL_NAMES else [path, keras_folder() / source.file]
    for place in kept:
        if _is_good(place, source):
            return place
    expected = {
        "sha256": source.sha256 or None,
        "size": source.size,
        "md5": source.md5 or None,
    }
    wrong = fault_of(path, **expected) if path.is_file() else ""
    if verbose:
        if wrong:
            print(f"{path} is another file than expected: {wrong}")
        size = f", {source.size / 1e6:.0f} MB" if source.size else ""
        print(f"fetching {source.name} weights of {source.network} ({source.licence}{size})")
        print(f"from {source.url} into {path.parent}")
    try:
        return download(source.url, path, verbose=verbose, **expected)
    except InputError as error:
        hand = f"put the file there by hand as {path}"
        if wrong:
            hand = f"what is there as {path} is another file, {wrong}: put the right one there"
        raise InputError(
            f"{error}; {hand}, or name another with --weights"
            f"{' (none: start from nothing)' if source.name in BACKBONE_NAMES else ''}"
        ) from None


def _is_good(path: Path, source: Source) -> bool:
    """Whether a file is what is meant; in place of the original's ResNet-50 also the later one of
    Keras, which has the same name.
    """
    if source.url == IMAGENET_URL and is_whole(path, md5=LATER_IMAGENET_MD5):
        return True
    return is_whole(path, source.sha256 or None, source.size, source.md5 or None)
