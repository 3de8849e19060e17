"""The configuration: one typed, strict set of UPPER_CASE names, from a class, a YAML file or the
command line.

The names and defaults are those of matterport/Mask_RCNN; a subclass sets class attributes as it
does there.
"""

from typing import Any, Literal, get_type_hints

from mrcnn.compat.moved import moved_name
from mrcnn.config_types import (
    CropRange,
    Deltas,
    Exponent,
    Fraction,
    Jitter,
    Key,
    NotNegative,
    NotNegativeInt,
    Pair,
    PositiveFloat,
    PositiveInt,
    Ratios,
    ScaleRange,
    Scales,
    Share,
)
from mrcnn.constants import LOSS_NAMES
from mrcnn.errors import InputError, nearest


class Config:
    """Settings of a model and its training.

    Subclass it and set class attributes, or change a copy with `update` or `load_config`. Every
    value is checked against its type when an instance is made.

    Raises:
        InputError: A value has the wrong type, values contradict each other, or a name is misspelt.

    Example:

    >>> class Shapes(Config):
    ...     NAME = "shapes"
    ...     NUM_CLASSES = 1 + 3
    >>> Shapes().IMAGE_SHAPE
    (1024, 1024, 3)
    """

    NAME: str | None = None
    SEED: NotNegativeInt = 0

    # Batches.
    GPU_COUNT: PositiveInt = 1
    IMAGES_PER_GPU: PositiveInt = 2
    STEPS_PER_EPOCH: PositiveInt = 1000
    VALIDATION_STEPS: NotNegativeInt = 50

    # Backbone: "resnet50", "resnet101", "small", the name of a keras.applications network, or a
    # callable that takes an image tensor (B, H, W, C) and returns C2 to C5 at strides 4, 8, 16 and
    # 32, or C1 to C5. The original also wants the shapes of P2 to P6 from a callable of the image
    # shape; here they follow from the strides, and are compared.
    BACKBONE: Any = "resnet101"
    BACKBONE_ARGS: dict[str, Any] = {}
    BACKBONE_WEIGHTS: str | None = None
    COMPUTE_BACKBONE_SHAPE = None
    BACKBONE_STRIDES: tuple[int, int, int, int, int] = (4, 8, 16, 32, 64)
    TOP_DOWN_PYRAMID_SIZE: PositiveInt = 256
    FPN_CLASSIF_FC_LAYERS_SIZE: PositiveInt = 1024
    RPN_CHANNELS: PositiveInt = 512
    MASK_HEAD_CHANNELS: PositiveInt = 256
    TRAIN_BN: bool | None = False

    # Classes. CLASS_NAMES starts with "BG" and is written beside the weights, so that pictures can
    # name what they show.
    NUM_CLASSES: PositiveInt = 1
    CLASS_NAMES: list[str] | None = None

    # Images. "canvas" fits landscape images into IMAGE_MIN_DIM x IMAGE_MAX_DIM and portrait images
    # into its transpose.
    IMAGE_RESIZE_MODE: Literal["square", "canvas", "pad64", "crop", "none"] = "square"
    IMAGE_MIN_DIM: PositiveInt = 800
    IMAGE_MAX_DIM: PositiveInt = 1024
    IMAGE_MIN_SCALE: NotNegative = 0
    IMAGE_CHANNEL_COUNT: PositiveInt = 3
    MEAN_PIXEL: list[float] = [123.7, 116.8, 103.9]

    # Region proposals.
    RPN_ANCHOR_SCALES: Scales = (32, 64, 128, 256, 512)
    RPN_ANCHOR_RATIOS: Ratios = [0.5, 1, 2]
    RPN_ANCHOR_STRIDE: PositiveInt = 1
    RPN_NMS_THRESHOLD: Fraction = 0.7
    RPN_TRAIN_ANCHORS_PER_IMAGE: PositiveInt = 256
    RPN_BBOX_STD_DEV: Deltas = (0.1, 0.1, 0.2, 0.2)
    PRE_NMS_LIMIT: PositiveInt = 6000
    POST_NMS_ROIS_TRAINING: PositiveInt = 2000
    POST_NMS_ROIS_INFERENCE: PositiveInt = 1000

    # Regions of interest and masks. Without USE_RPN_ROIS the training model takes them as its input
    # `input_rois` (B, POST_NMS_ROIS_TRAINING, 4), in pixels, zeros where there is none.
    USE_RPN_ROIS: bool = True
    TRAIN_ROIS_PER_IMAGE: PositiveInt = 200
    ROI_POSITIVE_RATIO: Share = 0.33
    RANDOM_SAMPLING: bool = True
    POOL_SIZE: PositiveInt = 7
    MASK_POOL_SIZE: PositiveInt = 14
    MASK_SHAPE: Pair = (28, 28)
    USE_MINI_MASK: bool = True
    MINI_MASK_SHAPE: Pair = (56, 56)
    MAX_GT_INSTANCES: PositiveInt = 100
    BBOX_STD_DEV: Deltas = (0.1, 0.1, 0.2, 0.2)

    # Detections.
    DETECTION_MAX_INSTANCES: PositiveInt = 100
    DETECTION_MIN_CONFIDENCE: Fraction = 0.7
    DETECTION_NMS_THRESHOLD: Fraction = 0.3

    # Training.
    OPTIMIZER: Literal["sgd", "adamw"] = "sgd"
    LEARNING_RATE: PositiveFloat = 0.001
    LEARNING_MOMENTUM: Fraction = 0.9
    WARMUP_STEPS: NotNegativeInt = 0
    WEIGHT_DECAY: NotNegative = 0.0001
    GRADIENT_CLIP_NORM: PositiveFloat = 5.0
    # Losses that are not named weigh 1; but where EDGE_LOSS_WEIGHT_ENTROPY puts another cross
    # entropy in its place, `mrcnn_mask_loss` is only reported: unless named here, it weighs 0.
    LOSS_WEIGHTS: dict[str, NotNegative] = {}
    # What multiplies these: "fixed" (nothing), "uncertainty" (a learned variance per loss, arXiv
    # 1705.07115) or "gradnorm" (gradients of one size at the FPN's outputs, arXiv 1711.02257).
    LOSS_WEIGHTING: Literal["fixed", "uncertainty", "gradnorm"] = "fixed"
    # Steps between two updates, the strength of the pull towards equal training rates, and the size
    # of an update.
    GRADNORM_EVERY: PositiveInt = 10
    GRADNORM_ALPHA: NotNegative = 1.5
    GRADNORM_LEARNING_RATE: PositiveFloat = 0.025
    # Stages as (layers, steps, learning rate): "heads", "5+", "4+", "3+", "all" or a regular
    # expression.
    SCHEDULE: list[tuple[str, int, float]] = [
        ("heads", 40_000, 0.001),
        ("4+", 80_000, 0.001),
        ("all", 40_000, 0.0001),
    ]
    # Mirror half of the training images left to right.
    FLIP: bool = True
    # More that training images may go through, in this order: mirrored top to bottom; turned by 90,
    # 180 or 270 degrees; cut down to a share of height and of width, each drawn from a range; with
    # a probability, objects of another image pasted in; brightness, contrast, saturation and hue
    # changed by at most so much (a share; of the hue, turns of the colour circle); and last, shown
    # larger or smaller by a factor out of a range. None or 0 leaves one out.
    AUGMENT_FLIP_VERTICAL: bool = False
    AUGMENT_ROTATE_90: bool = False
    AUGMENT_CROP: CropRange | None = None
    AUGMENT_COPY_PASTE: Fraction = 0.0
    AUGMENT_COLOR_JITTER: Jitter | None = None
    AUGMENT_SCALE: ScaleRange | None = None

    # The Edge Agreement Head (arXiv 1809.07069). No filters: no head. Instead of filters, the name
    # of one other loss on boundaries: see `edge_agreement.MAP_LOSSES`.
    EDGE_LOSS_FILTERS: list[str] = []
    EDGE_LOSS_NORM: Exponent = 2.0
    EDGE_LOSS_WEIGHT_FACTOR: NotNegative = 1.0
    EDGE_LOSS_SMOOTHING_GT: bool = False
    EDGE_LOSS_SMOOTHING_PREDICTIONS: bool = False
    # Compare gradient magnitudes; scale kernels to a response of 1; "zero" as published, or "edge":
    # no response at the border of a RoI.
    EDGE_LOSS_MAGNITUDE: bool = False
    EDGE_LOSS_NORMALIZE: bool = False
    EDGE_LOSS_PADDING: Literal["zero", "edge"] = "zero"
    # Weight the cross entropy of the mask with the edge error instead of adding the latter (section
    # 5.6). True is the authors' "exp16", False is None.
    EDGE_LOSS_WEIGHT_ENTROPY: Literal["product", "exp4", "exp16"] | None = None

    _default_mask_weight: float | None

    def __init__(self) -> None:
        self._refuse_near_misses()
        for name in SETTINGS:
            setattr(self, name, getattr(self, name))
        self._derive()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in SETTINGS:
            value = _checked(name, value)
            if name == "LOSS_WEIGHTS":
                self._default_mask_weight = None if "mrcnn_mask_loss" in value else 1.0
                value = {**dict.fromkeys(LOSS_NAMES, 1.0), **value}
        elif name.isupper() and name not in DERIVED and nearest(name, SETTINGS):
            raise InputError(f"config key {name!r} does not exist.{nearest(name, SETTINGS)}")
        super().__setattr__(name, value)

    def update(self, **settings: Any) -> "Config":
        """Return a copy with other values; `InputError` for a name that does not exist."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        for name, value in settings.items():
            if name not in SETTINGS:
                raise InputError(f"config key {name!r} does not exist.{nearest(name, SETTINGS)}")
            setattr(copy, name, value)
        copy._derive()
        return copy

    def to_dict(self) -> dict[str, Any]:
        """The settings (not what is computed from them) in the order of their declaration."""
        return {name: getattr(self, name) for name in SETTINGS}

    def display(self) -> None:
        """Print every setting and every computed value."""
        for name in sorted(key for key in vars(self) if key.isupper()):
            print(f"{name:32} {getattr(self, name)}")

    def _choose_mask_weight(self) -> None:
        """Give `mrcnn_mask_loss` the weight that it has where nobody named one."""
        before, weights = self._default_mask_weight, dict(self.LOSS_WEIGHTS)
        if before is None or weights["mrcnn_mask_loss"] != before:
            return
        replaced = self.EDGE_LOSS_FILTERS and self.EDGE_LOSS_WEIGHT_ENTROPY
        self._default_mask_weight = weights["mrcnn_mask_loss"] = 0.0 if replaced else 1.0
        # Past `__setattr__`, for which every weight would be one that was named.
        super().__setattr__("LOSS_WEIGHTS", weights)

    def _refuse_near_misses(self) -> None:
        own = {name for cls in type(self).__mro__ for name in vars(cls) if name.isupper()}
        for name in own - set(SETTINGS) - DERIVED:
            hint = nearest(name, SETTINGS)
            if hint:
                raise InputError(f"{type(self).__name__}.{name} is no config key.{hint}")

    def _derive(self) -> None:
        self.BATCH_SIZE = self.IMAGES_PER_GPU * self.GPU_COUNT
        sides = (
            (self.IMAGE_MIN_DIM, self.IMAGE_MAX_DIM)
            if self.IMAGE_RESIZE_MODE == "canvas"
            else (self.IMAGE_MIN_DIM, self.IMAGE_MIN_DIM)
            if self.IMAGE_RESIZE_MODE == "crop"
            else (self.IMAGE_MAX_DIM, self.IMAGE_MAX_DIM)
        )
        self.IMAGE_SHAPE = (*sides, self.IMAGE_CHANNEL_COUNT)
        self.IMAGE_META_SIZE = 1 + 3 + 3 + 4 + 1 + self.NUM_CLASSES
        # The positive slots of a batch: the mask head runs on these alone.
        self.POSITIVE_ROIS = int(self.TRAIN_ROIS_PER_IMAGE * self.ROI_POSITIVE_RATIO)
        self._choose_mask_weight()
        _check_consistency(self)


SETTINGS: dict[str, Any] = get_type_hints(Config)
DERIVED = {
    "BATCH_SIZE",
    "IMAGE_SHAPE",
    "IMAGE_META_SIZE",
    "POSITIVE_ROIS",
    "COMPUTE_BACKBONE_SHAPE",
}
_HINTS = get_type_hints(Config, include_extras=True)
_KEYS = {name: Key(name, hint) for name, hint in _HINTS.items()}


def range_words(name: str) -> str:
    """What a value of a key must be, such as "be positive"; empty where it has no range."""
    return _KEYS[name].words


def _checked(name: str, value: Any) -> Any:
    """`value` in the type that `name` is declared with."""
    if name == "EDGE_LOSS_WEIGHT_ENTROPY" and isinstance(value, bool):
        value = "exp16" if value else None
    value = _KEYS[name].check(value)
    if name == "LOSS_WEIGHTS":
        unknown = set(value) - set(LOSS_NAMES)
        for key in unknown:
            raise InputError(
                f"LOSS_WEIGHTS has no loss {key!r}; it has {', '.join(LOSS_NAMES)}."
                f"{nearest(key, LOSS_NAMES)}"
            )
    return value


def _check_consistency(config: Config) -> None:
    for name in SETTINGS:  # lists and dicts may have been edited in place
        _checked(name, getattr(config, name))
    if not (callable(config.BACKBONE) or isinstance(config.BACKBONE, str)):
        raise InputError(f"BACKBONE must be a name or a callable, got {config.BACKBONE!r}")
    if config.POSITIVE_ROIS < 1:
        raise InputError(
            f"TRAIN_ROIS_PER_IMAGE {config.TRAIN_ROIS_PER_IMAGE} times ROI_POSITIVE_RATIO "
            f"{config.ROI_POSITIVE_RATIO} must be at least 1: otherwise no mask is ever trained"
        )
    if config.IMAGE_MIN_DIM > config.IMAGE_MAX_DIM:
        raise InputError(
            f"IMAGE_MIN_DIM {config.IMAGE_MIN_DIM} is larger than "
            f"IMAGE_MAX_DIM {config.IMAGE_MAX_DIM}"
        )
    for side in config.IMAGE_SHAPE[:2]:
        if side % 32:
            raise InputError(
                f"the sides of the network's input must divide by 32, got {config.IMAGE_SHAPE[:2]}"
            )
    if config.IMAGE_RESIZE_MODE == "pad64" and config.IMAGE_MIN_DIM % 64:
        raise InputError(
            "IMAGE_MIN_DIM must divide by 64 with IMAGE_RESIZE_MODE 'pad64', "
            f"got {config.IMAGE_MIN_DIM}"
        )
    if len(config.MEAN_PIXEL) != config.IMAGE_CHANNEL_COUNT:
        raise InputError(
            f"MEAN_PIXEL needs {config.IMAGE_CHANNEL_COUNT} values, one per channel, "
            f"got {len(config.MEAN_PIXEL)}"
        )
    if config.AUGMENT_COLOR_JITTER is not None and config.IMAGE_CHANNEL_COUNT != 3:
        *_, saturation, hue = config.AUGMENT_COLOR_JITTER
        if saturation or hue:
            raise InputError(
                "AUGMENT_COLOR_JITTER: images of other than 3 channels have no saturation and no "
                f"hue; both must be 0, got {list(config.AUGMENT_COLOR_JITTER)}"
            )
    if config.CLASS_NAMES is not None and len(config.CLASS_NAMES) != config.NUM_CLASSES:
        raise InputError(
            f"CLASS_NAMES has {len(config.CLASS_NAMES)} names, "
            f"but NUM_CLASSES is {config.NUM_CLASSES} (with 'BG')"
        )


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
