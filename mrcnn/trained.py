"""A trained model from its files: your own, or a small one that learns the built-in sample here.

The commands and the notebooks start with it.
"""

from pathlib import Path

from mrcnn.config import Config
from mrcnn.config_io import load_config, save_config
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.errors import InputError
from mrcnn.hub.words import LAST, MODEL_NAMES, refuse_unknown_weights
from mrcnn.model import MaskRCNN
from mrcnn.model_weights import unknown_layers
from mrcnn.training.checkpoint import find_trained, stored_config
from mrcnn.training.schedule import HEADS, parse_schedule
from mrcnn.weights.any_file import is_state_dict, open_any, settings_of
from mrcnn.weights.published import prepared

LOGS = Path("runs")
SMALL_SIZE = 128
# 400 steps of it take 65 seconds on two CPU cores, and reach an AP of 0.6 at an IoU of 0.5.
SMALL_NETWORK = {
    "NAME": "small",
    "BACKBONE": "small",
    "BACKBONE_ARGS": {"width": 24},
    "TOP_DOWN_PYRAMID_SIZE": 32,
    "RPN_CHANNELS": 32,
    "FPN_CLASSIF_FC_LAYERS_SIZE": 128,
    "MASK_HEAD_CHANNELS": 32,
    "IMAGE_MIN_DIM": SMALL_SIZE,
    "IMAGE_MAX_DIM": SMALL_SIZE,
    "IMAGES_PER_GPU": 4,
    "RPN_ANCHOR_SCALES": [12, 20, 32, 48, 72],
    "RPN_TRAIN_ANCHORS_PER_IMAGE": 128,
    "PRE_NMS_LIMIT": 400,
    "POST_NMS_ROIS_TRAINING": 100,
    "POST_NMS_ROIS_INFERENCE": 60,
    "TRAIN_ROIS_PER_IMAGE": 48,
    "MAX_GT_INSTANCES": 12,
    "DETECTION_MAX_INSTANCES": 16,
    "DETECTION_MIN_CONFIDENCE": 0.5,
    "OPTIMIZER": "adamw",
    "WARMUP_STEPS": 20,
    "EDGE_LOSS_FILTERS": ["sobel"],
}


def find_weights(weights: str | Path, logs: str | Path = LOGS) -> Path:
    """The file that is meant: a file itself; of a run folder `final.h5`, or the newest checkpoint
    before there is one; "last" for the same of the newest run; or a published model by its name,
    such as "torchvision-v2", which is fetched at its first use.

    Raises:
        InputError: There is none.
    """
    if weights == LAST:
        return find_trained(logs)
    if weights in MODEL_NAMES:
        return prepared(str(weights), Config())
    path = Path(weights)
    if path.is_dir():
        return find_trained(path)
    refuse_unknown_weights(str(weights))
    return path


def config_of(weights: Path, config_file: str | Path | None = None) -> Config:
    """The configuration of a weight file: `config_file`, else config.yaml beside the weights, else
    the one that they hold, as checkpoints do, or that of torchvision's models for a state dict.

    Raises:
        InputError: There is none, or it does not hold a configuration.
    """
    path = Path(config_file) if config_file else weights.parent / "config.yaml"
    stored = None
    if config_file is None and not path.exists():
        stored = _own_config(weights)
    if stored is None and config_file is None and not path.is_file():
        raise InputError(f"there is no {path} beside the weights: name one with --config")
    config = stored or load_config(path)
    if config.NUM_CLASSES == 1:
        # A file of the original comes alone; its classifier tells the number of classes.
        with open_any(weights) as found:
            biases = found.get("mrcnn_class_logits", {}).get("bias")
            if biases is not None and biases.ndim == 1:
                config = config.update(NUM_CLASSES=biases.shape[0])
    return config


def _own_config(weights: Path) -> Config | None:
    if not is_state_dict(weights):
        return stored_config(weights)
    name, settings = settings_of(weights)
    return load_config(name).update(**settings) if name else None


def load_model(config: Config, weights: Path) -> MaskRCNN:
    """A model in inference mode with all its weights from a file."""
    model = MaskRCNN("inference", config.update(BACKBONE_WEIGHTS=None), weights.parent)
    report = model.load_weights(weights, verbose=False)
    if not any(HEADS.match(name.partition("/")[0]) for name in report.loaded):
        raise InputError(f"{weights} holds a backbone alone, which finds nothing: train it first")
    if beyond := unknown_layers(report):
        raise InputError(
            f"{weights} is of another network than its configuration says: that has no layers "
            f"{beyond}"
        )
    return model


def open_model(
    weights: str | Path | None = None,
    config_file: str | Path | None = None,
    folder: str | Path = LOGS / "small",
    steps: int = 400,
) -> MaskRCNN:
    """A trained model in inference mode, for one image at a time.

    Args:
        weights: As for `find_weights`; None takes the small network of `train_small`.
        config_file: YAML file of settings; None takes config.yaml beside the weights.
        folder: Of the small network.
        steps: Of its training.

    Raises:
        InputError: A file is missing or does not fit.
    """
    path = train_small(folder, steps) if weights is None else find_weights(weights)
    config = config_of(path, config_file).update(IMAGES_PER_GPU=1, GPU_COUNT=1)
    print(f"weights: {path}")
    return load_model(config, path)


def open_dataset(
    dataset: str | Path | None = None, subset: str = "val", folder: str | Path = LOGS / "small"
) -> CocoDataset:
    """A dataset in COCO's format; None is the built-in sample, made in `folder` if need be."""
    root = dataset or generate_sample(Path(folder) / "sample", train=160, val=16, size=SMALL_SIZE)
    print(f"dataset: {subset} of {root}")
    return CocoDataset.from_folder(root, subset)


def train_small(folder: str | Path, steps: int = 400) -> Path:
    """Train a small network on the built-in sample, or take the one that is in `folder` already.

    It is there to look at, not to be good.

    Returns:
        Its weight file, with config.yaml beside it.
    """
    file = Path(folder) / f"small_{steps}.h5"
    if file.is_file():
        return file
    dataset = open_dataset(None, "train", folder)
    config = Config().update(
        NUM_CLASSES=dataset.num_classes, CLASS_NAMES=dataset.class_names, **SMALL_NETWORK
    )
    print(f"training a small network for {steps} steps: about a minute for 400, on two CPU cores")
    model = MaskRCNN("training", config, folder)
    model.set_log_dir(Path(folder) / f"training_{steps}")
    last = max(1, steps // 5)
    stages = [("all", steps - last, 0.002), ("all", last, 0.0004)]
    stages = parse_schedule([stage for stage in stages if stage[1]])
    model.run(dataset, None, stages, quiet=True)
    save_config(model.config, file.parent / "config.yaml")
    model.save_weights(file)
    return file
