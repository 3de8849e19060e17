"""The weights that the original starts from, by its own functions."""

from pathlib import Path

from mrcnn.hub.cache import keras_folder, weights_folder
from mrcnn.hub.download import checksum, download

COCO_MODEL_URL = "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
IMAGENET_URL = (
    "https://github.com/fchollet/deep-learning-models/releases/download/v0.2/"
    "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
IMAGENET_MD5 = "a268eb855778b3df3c7506639542a6af"
# Keras has a later file of the same name, in the same folder, with other names of layers.
LATER_IMAGENET_MD5 = "4d473c1dd8becc155b73f8504c6f6626"


def download_trained_weights(
    coco_model_path: str | Path, verbose: int = 1, url: str = COCO_MODEL_URL
) -> None:
    """Download the original's weights that were trained on COCO (81 classes, ResNet-101).

    Args:
        coco_model_path: Where to put the file; one that is there is kept.
        verbose: 0 is silent.
        url: Where to get it.

    Raises:
        InputError: It cannot be had or written.
    """
    download(url, coco_model_path, verbose=verbose > 0)


def get_imagenet_weights(
    folder: str | Path | None = None,
    url: str = IMAGENET_URL,
    md5: str | None = IMAGENET_MD5,
    verbose: bool = True,
) -> str:
    """Path of the ImageNet weights of ResNet-50 that the original starts from, downloaded if they
    are not there.

    Args:
        folder: Where to keep them; None is that of weights with a name, unless Keras has the file.
        url: Where to get them.
        md5: Their checksum.
        verbose: Show a progress bar.

    Raises:
        InputError: They cannot be had or written.
    """
    name = url.rpartition("/")[2]
    places = [Path(folder) / name] if folder else [keras_folder() / name]
    for path in places:
        # Keras would replace ours by its later file again: `load_weights` reads both.
        if path.is_file() and checksum(path, "md5") in (md5, LATER_IMAGENET_MD5):
            return str(path)
    path = Path(folder or weights_folder("imagenet")) / name
    return str(download(url, path, md5=md5, verbose=verbose))
