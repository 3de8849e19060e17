"""Keys that have no effect on a command: given on its command line, they are errors.

A setting that is taken without a word and does nothing is worse than one that is misspelt.
"""

from collections.abc import Callable, Iterable

from mrcnn.config import Config
from mrcnn.errors import InputError

EDGE_OPTIONS = {
    "EDGE_LOSS_NORM": "--p",
    "EDGE_LOSS_WEIGHT_FACTOR": "--edge-weight",
    "EDGE_LOSS_SMOOTHING_GT": "--smooth-gt",
    "EDGE_LOSS_SMOOTHING_PREDICTIONS": "--smooth-pred",
    "EDGE_LOSS_MAGNITUDE": "--magnitude",
    "EDGE_LOSS_NORMALIZE": "",
    "EDGE_LOSS_PADDING": "--padding",
}
GRADNORM = ("GRADNORM_EVERY", "GRADNORM_ALPHA", "GRADNORM_LEARNING_RATE")
# Detection does without them.
TRAINING_ONLY = (
    "SEED",
    "ACCUMULATE",
    "STEPS_PER_EPOCH",
    "VALIDATION_STEPS",
    "BACKBONE_WEIGHTS",
    "RPN_TRAIN_ANCHORS_PER_IMAGE",
    "RPN_MATCH_TIES",
    "PRE_NMS_LIMIT_TRAINING",
    "POST_NMS_ROIS_TRAINING",
    "USE_RPN_ROIS",
    "TRAIN_ROIS_PER_IMAGE",
    "ROI_POSITIVE_RATIO",
    "ROI_GT_BOXES",
    "ROI_NEGATIVES",
    "MASK_TARGETS",
    "RANDOM_SAMPLING",
    "USE_MINI_MASK",
    "MINI_MASK_SHAPE",
    "MAX_GT_INSTANCES",
    "OPTIMIZER",
    "LEARNING_RATE",
    "LEARNING_RATE_BATCH",
    "LEARNING_MOMENTUM",
    "WARMUP_STEPS",
    "WEIGHT_DECAY",
    "GRADIENT_CLIP_NORM",
    "ON_NAN",
    "ON_NAN_LIMIT",
    "LOSS_WEIGHTS",
    "LOSS_WEIGHTING",
    "SMOOTH_L1_BETA",
    "BOX_LOSS_MEAN",
    "CLASS_LOSS_ROIS",
    *GRADNORM,
    "SCHEDULE",
    "SCHEDULE_UNIT",
    "TRAINABLE_LAYERS",
    "FLIP",
    "AUGMENT_FLIP_VERTICAL",
    "AUGMENT_ROTATE_90",
    "AUGMENT_CROP",
    "AUGMENT_COPY_PASTE",
    "AUGMENT_COLOR_JITTER",
    "AUGMENT_SCALE",
    "EDGE_LOSS_FILTERS",
    *EDGE_OPTIONS,
    "EDGE_LOSS_WEIGHT_ENTROPY",
)

# What browse shows are the batches of a training; what check measures are objects and anchors.
SHOWN = (
    "SEED",
    "IMAGE_RESIZE_MODE",
    "IMAGE_MIN_DIM",
    "IMAGE_MAX_DIM",
    "IMAGE_MIN_SCALE",
    "IMAGE_INTERPOLATION",
    "IMAGE_PAD_VALUE",
    "IMAGE_CHANNEL_COUNT",
    "IMAGE_RANGE",
    "IMAGE_MAX_PIXELS",
    "MEAN_PIXEL",
    "USE_MINI_MASK",
    "MINI_MASK_SHAPE",
    "MAX_GT_INSTANCES",
    "FLIP",
    *(key for key in TRAINING_ONLY if key.startswith("AUGMENT_")),
)
CHECKED = (
    "IMAGE_RESIZE_MODE",
    "IMAGE_MIN_DIM",
    "IMAGE_MAX_DIM",
    "IMAGE_MIN_SCALE",
    "IMAGE_RANGE",
    "IMAGE_MAX_PIXELS",
    "RPN_ANCHOR_SCALES",
    "RPN_ANCHOR_RATIOS",
    "RPN_ANCHOR_STRIDE",
    "RPN_ANCHORS",
    "BACKBONE_STRIDES",
)

# For some keys, when they have no effect on a training, and why.
Rule = tuple[tuple[str, ...], Callable[[Config], bool], str]
TRAINING: tuple[Rule, ...] = (
    (("NUM_CLASSES", "CLASS_NAMES"), lambda _: True, "the classes are those of the dataset"),
    (
        ("STEPS_PER_EPOCH",),
        lambda config: config.SCHEDULE_UNIT == "epochs",
        "it follows from the number of images, because SCHEDULE_UNIT is epochs",
    ),
    (
        (*EDGE_OPTIONS,),
        lambda config: not config.EDGE_LOSS_FILTERS,
        "there is no edge loss: add --edge sobel",
    ),
    (
        GRADNORM,
        lambda config: config.LOSS_WEIGHTING != "gradnorm",
        "it needs LOSS_WEIGHTING=gradnorm",
    ),
    (("ON_NAN_LIMIT",), lambda config: config.ON_NAN == "stop", "ON_NAN is stop"),
    (("LEARNING_MOMENTUM",), lambda config: config.OPTIMIZER != "sgd", "OPTIMIZER is not sgd"),
    (("MINI_MASK_SHAPE",), lambda config: not config.USE_MINI_MASK, "USE_MINI_MASK is false"),
)


def refuse_idle_for_training(keys: Iterable[str], config: Config) -> None:
    """Refuse keys that have no effect on a training with `config`.

    Args:
        keys: Those that were given on the command line.
        config: With these keys.

    Raises:
        InputError: One has none; the message says why.
    """
    for key in keys:
        for names, idle, reason in TRAINING:
            if key in names and idle(config):
                option = EDGE_OPTIONS.get(key)
                named = f"{key} ({option})" if option else key
                raise InputError(f"{named} has no effect: {reason}")


def refuse_idle_for_detection(keys: Iterable[str], instead: dict[str, str] | None = None) -> None:
    """Refuse keys that have no effect on detection and evaluation.

    Args:
        keys: Those that were given on the command line.
        instead: What else to say of some keys.

    Raises:
        InputError: One has none; the message says why.
    """
    alone = "images are looked at one at a time"
    reasons = {
        **dict.fromkeys(TRAINING_ONLY, "it is about training"),
        "IMAGES_PER_GPU": alone,
        "GPU_COUNT": alone,
        **(instead or {}),
    }
    for key in keys:
        if key in reasons:
            raise InputError(f"{key} has no effect here: {reasons[key]}")


def refuse_all_but(acting: Iterable[str], keys: Iterable[str], what: str) -> None:
    """Refuse keys other than those that act.

    Args:
        acting: Keys that have an effect.
        keys: Those that were given on the command line.
        what: What the command does, for the message.

    Raises:
        InputError: A key is not among those that act.
    """
    known = tuple(acting)
    for key in keys:
        if key not in known:
            raise InputError(f"{key} has no effect here: {what} depends on {', '.join(known)}")
