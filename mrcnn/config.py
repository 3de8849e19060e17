# Long because: the comment above each key is its entry in the documentation.
"""The configuration: one typed, strict set of UPPER_CASE names, from a class, a YAML file or the
command line.

The names and defaults are those of matterport/Mask_RCNN; a subclass sets class attributes as it
does there.

The comment above each key is its entry in the documentation, see
`docs/extensions/config_reference.py`; a comment `# -- Title` begins a group.
"""
# Long because: it is one list, whose comments are the documentation of its keys.

import copy
from typing import Any, Literal, TextIO, get_type_hints

import numpy as np

from mrcnn.compat import settings as old_settings
from mrcnn.compat.moved import moved_name
from mrcnn.config_types import (
    CropRange,
    Deltas,
    Exponent,
    Fraction,
    HeadLayers,
    Jitter,
    Key,
    Means,
    NotNegative,
    NotNegativeInt,
    Pair,
    PositiveFloat,
    PositiveInt,
    Ratios,
    ScaleRange,
    Scales,
    Share,
    StageCount,
    ValueRange,
    check_loss_weights,
    contradictions,
)
from mrcnn.constants import LOSS_NAMES
from mrcnn.errors import InputError, nearest


class Config:
    """Settings of a model and its training.

    Subclass it and set class attributes, assign to an instance, or change a copy with `update` or
    `load_config`. A value is checked against its type and range wherever it is set, and what
    follows from it (`BATCH_SIZE`, `IMAGE_SHAPE` and others) is worked out anew; whether values fit
    together is checked by the constructor, `update` and `check`.

    A subclass may have attributes of its own; one whose name is nearly that of a key is warned of.

    Raises:
        InputError: A value has the wrong type or range, or values contradict each other.

    Example:

    >>> class Shapes(Config):
    ...     NAME = "shapes"
    ...     NUM_CLASSES = 1 + 3
    >>> Shapes().IMAGE_META_SIZE
    16
    """

    # -- Run
    # Name of the model, in the names of its run folder and checkpoints.
    NAME: str | None = None
    # Seed of the initial weights, of the order of images, of augmentation and of sampling.
    SEED: NotNegativeInt = 0

    # -- Batches
    # Factor of the batch, for old scripts: one device computes the whole batch.
    GPU_COUNT: PositiveInt = 1
    # Images in a batch, together with `GPU_COUNT`.
    IMAGES_PER_GPU: PositiveInt = 2
    # Steps whose gradients are averaged before the weights move, as if the batch were so many times
    # as large. A step remains one batch, in schedules and logs.
    ACCUMULATE: PositiveInt = 1
    # Steps of an epoch; after each come validation losses and a checkpoint.
    STEPS_PER_EPOCH: PositiveInt = 1000
    # Validation batches after each epoch; 0 leaves validation out.
    VALIDATION_STEPS: NotNegativeInt = 50

    # -- Network
    # What the network computes in: `float32`; or `bfloat16` or `float16`, where boxes, losses and
    # edge maps stay in float32, as do the weights. bfloat16 takes half the time on processors and
    # GPUs that have it; float16 scales the losses. `float32` leaves the policy of Keras as it is.
    PRECISION: Literal["float32", "bfloat16", "float16"] = "float32"
    # `resnet50`, `resnet101`, `small`, the name of a `keras.applications` network, or (in Python) a
    # callable that takes an image tensor (B, H, W, C) and returns C2 to C5 at strides 4, 8, 16 and
    # 32, or C1 to C5. The original also wants the shapes of P2 to P6 from a callable of the image
    # shape; here they follow from the strides, and are compared.
    BACKBONE: Any = "resnet101"
    # Arguments of the backbone: `stride_in_3x3` and `symmetric_padding` of a ResNet (true or
    # false), `width` of `small`, those of the function of `keras.applications` else.
    BACKBONE_ARGS: dict[str, Any] = {}
    # Weights for the backbone alone: a file, or the name of published ones, such as `imagenet`;
    # loaded when a model is made for training.
    BACKBONE_WEIGHTS: str | None = None
    COMPUTE_BACKBONE_SHAPE = None
    # Strides of P2 to P6, in pixels.
    BACKBONE_STRIDES: tuple[int, int, int, int, int] = (4, 8, 16, 32, 64)
    # Channels of the feature pyramid (FPN).
    TOP_DOWN_PYRAMID_SIZE: PositiveInt = 256
    # Width of the two dense layers of the class and box head.
    FPN_CLASSIF_FC_LAYERS_SIZE: PositiveInt = 1024
    # Channels of the convolution of the region proposal network (RPN).
    RPN_CHANNELS: PositiveInt = 512
    # 3 x 3 convolutions of the RPN, one after the other.
    RPN_CONV_DEPTH: PositiveInt = 1
    # Layers of the class and box head, from the pooled features on: `conv` (3 x 3, of
    # `TOP_DOWN_PYRAMID_SIZE` channels), then `dense` (of `FPN_CLASSIF_FC_LAYERS_SIZE`). The
    # original has two dense ones.
    BOX_HEAD: HeadLayers = ["dense", "dense"]
    # Channels of the convolutions of the mask head.
    MASK_HEAD_CHANNELS: PositiveInt = 256
    # Batch normalisation in the feature pyramid: `none`, as in the original, or `batch`, after each
    # convolution.
    FPN_NORM: Literal["none", "batch"] = "none"
    # That of the class and box head and of the mask head: `batch`, after each layer but the last,
    # as in the original; `conv`, after their 3 x 3 convolutions alone; or `none`.
    HEAD_NORM: Literal["batch", "conv", "none"] = "batch"
    # Added to variances by batch normalisation.
    NORM_EPSILON: PositiveFloat = 0.001
    # Whose mean and variance batch normalisation uses. False: the stored ones, which suits small
    # batches. Null or true: in training those of the batch, from which the stored ones are updated;
    # in detection the stored ones. In the original true acts in detection too.
    TRAIN_BN: bool | None = False

    # -- Classes
    # Number of classes, the background among them: 81 for COCO.
    NUM_CLASSES: PositiveInt = 1
    # Names of the classes, `BG` first; written beside the weights, so that pictures can name what
    # they show.
    CLASS_NAMES: list[str] | None = None

    # -- Images
    # How images are fitted to the network's input. `square`: padded to `IMAGE_MAX_DIM` on both
    # sides. `canvas`: landscape images into `IMAGE_MIN_DIM` x `IMAGE_MAX_DIM`, portrait images into
    # its transpose. `pad64`: enlarged to `IMAGE_MIN_DIM`, padded to sides that divide by 64.
    # `shorter`: enlarged or shrunk until the shorter side has `IMAGE_MIN_DIM` pixels or the longer
    # one `IMAGE_MAX_DIM`, padded below and at the right to sides that divide by 32, as torchvision
    # does.
    # `crop`: a random square of `IMAGE_MIN_DIM`, in training alone. `none`: as they are.
    IMAGE_RESIZE_MODE: Literal["square", "canvas", "pad64", "shorter", "crop", "none"] = "square"
    # The shorter side is enlarged to so many pixels, as far as `IMAGE_MAX_DIM` leaves room.
    IMAGE_MIN_DIM: PositiveInt = 800
    # The longer side has at most so many pixels.
    IMAGE_MAX_DIM: PositiveInt = 1024
    # Images are enlarged at least by this factor, as far as `IMAGE_MAX_DIM` leaves room; 0 for
    # none.
    IMAGE_MIN_SCALE: NotNegative = 0
    # How pixels are resized. `original`: in detection as the original does, which darkens the rim
    # a little and rounds to whole numbers; in training bilinear, averaging where images shrink.
    # `bilinear`: between the four nearest pixels in both, as torchvision does; not rounded, but in
    # training.
    IMAGE_INTERPOLATION: Literal["original", "bilinear"] = "original"
    # What the padding is: `black`, as in the original, or `mean`, which the network sees as 0.
    IMAGE_PAD_VALUE: Literal["black", "mean"] = "black"
    # Channels of an image: 3 for RGB.
    IMAGE_CHANNEL_COUNT: PositiveInt = 3
    # The values that become black and white in images of more than 8 bits a channel, [low, high],
    # such as [0, 4095] for a camera of 12 bits. `auto` assumes it from the largest value, and says
    # so: 1 or a power of two for floats, 255, 1023, 4095, 16383 or 65535 for whole numbers. A
    # training takes that of all its images, as far as they are of one kind, else that of each.
    IMAGE_RANGE: ValueRange = "auto"
    # Pixels that an image may have. Larger files are refused, because a small file can claim any
    # size and fill the memory: raise it for files that you trust.
    IMAGE_MAX_PIXELS: PositiveInt = 178_956_970
    # Taken off the pixels: a value (0 to 255) for each channel.
    MEAN_PIXEL: Means = np.array([123.7, 116.8, 103.9])

    # -- Region proposals
    # Sides of the anchors on P2 to P6, in pixels of the network's input. About the sizes of your
    # objects: `mrcnn check` proposes some.
    RPN_ANCHOR_SCALES: Scales = (32, 64, 128, 256, 512)
    # Width to height of the anchors; one anchor of each ratio at each position.
    RPN_ANCHOR_RATIOS: Ratios = [0.5, 1, 2]
    # How anchors are laid out: `exact`, as in the original; or `whole`, as in torchvision: half
    # sides are rounded to whole pixels, and positions are as far apart as the input's side divided
    # by that of the level, rounded down.
    RPN_ANCHORS: Literal["exact", "whole"] = "exact"
    # Cells of a feature map from one anchor position to the next.
    RPN_ANCHOR_STRIDE: PositiveInt = 1
    # Proposals that overlap a better one by more than this IoU are dropped.
    RPN_NMS_THRESHOLD: Fraction = 0.7
    # Of the anchors that overlap an object most, and all by the same, whether each is trained to
    # find it, or the first alone.
    RPN_MATCH_TIES: bool = False
    # Anchors of an image that the losses of the RPN look at.
    RPN_TRAIN_ANCHORS_PER_IMAGE: PositiveInt = 256
    # Box deltas of the RPN are divided by these.
    RPN_BBOX_STD_DEV: Deltas = np.array([0.1, 0.1, 0.2, 0.2])
    # So many anchors with the best scores go into the non-maximum suppression of proposals.
    PRE_NMS_LIMIT: PositiveInt = 6000
    # The same in training; null: as many.
    PRE_NMS_LIMIT_TRAINING: PositiveInt | None = None
    # Whether `PRE_NMS_LIMIT` is meant, and proposals suppress each other, in each level of the
    # pyramid apart; the best of all levels go on. Anchors are then ranked by their logits, which
    # differ where probabilities are rounded to 1.
    PROPOSALS_BY_LEVEL: bool = False
    # Anchors with a lower score make no proposal.
    PROPOSAL_MIN_SCORE: Fraction = 0.0
    # Proposals of a smaller height or width, in pixels of the network's input, are dropped.
    PROPOSAL_MIN_SIZE: NotNegative = 0
    # What proposals are clipped to: `canvas`, the whole input, or `window`, the image on it.
    PROPOSAL_CLIP: Literal["canvas", "window"] = "canvas"
    # Proposals of an image that it leaves, in training.
    POST_NMS_ROIS_TRAINING: PositiveInt = 2000
    # Proposals of an image that it leaves, in detection.
    POST_NMS_ROIS_INFERENCE: PositiveInt = 1000

    # -- Regions of interest and masks
    # What coordinates inside the network mean, from which box deltas follow. `inclusive`: as in the
    # original, boxes end at the last pixel inside, so they are a pixel smaller. `continuous`: they
    # end where that pixel ends, as in torchvision and Detectron2.
    BOX_CODING: Literal["inclusive", "continuous"] = "inclusive"
    # How features of a RoI are read. `crop`: one bilinear sample a bin, from corner to corner, as
    # in the original. `sampled`: the mean of 2 x 2 samples a bin, as `torchvision.ops.roi_align`
    # does with `sampling_ratio=2` and `aligned=False`.
    ROI_ALIGN: Literal["crop", "sampled"] = "crop"
    # How the level that a RoI is read from is rounded, 4 + log2(size / 224): `round`, as in the
    # original, or `floor`, as in the FPN paper.
    ROI_LEVEL: Literal["round", "floor"] = "round"
    # Whether the heads are trained on the proposals of the RPN. Otherwise the training model takes
    # RoIs as its input `input_rois` (B, `POST_NMS_ROIS_TRAINING`, 4), in pixels, zeros where there
    # is none.
    USE_RPN_ROIS: bool = True
    # RoIs of an image that the heads are trained on.
    TRAIN_ROIS_PER_IMAGE: PositiveInt = 200
    # Share of them that may be positive, which means that they lie on an object.
    ROI_POSITIVE_RATIO: Share = 0.33
    # Whether the boxes of the objects are among the RoIs to draw from.
    ROI_GT_BOXES: bool = False
    # How many negative RoIs are drawn: `ratio`, so that `ROI_POSITIVE_RATIO` holds, which leaves
    # slots empty where there are few positive ones; or `fill`, as many as there is room for.
    ROI_NEGATIVES: Literal["ratio", "fill"] = "ratio"
    # Whether anchors and RoIs are drawn at random; false takes the first ones, for tests.
    RANDOM_SAMPLING: bool = True
    # Height and width of the features that the class and box head sees of a RoI.
    POOL_SIZE: PositiveInt = 7
    # Height and width of the features that the mask head sees of a RoI.
    MASK_POOL_SIZE: PositiveInt = 14
    # Height and width of predicted masks: twice `MASK_POOL_SIZE`.
    MASK_SHAPE: Pair = (28, 28)
    # How the mask of an object is cut out for a RoI: `crop`, one sample a cell, rounded to 0 or 1,
    # as in the original; `sampled`, the mean of about one sample a pixel, as in torchvision. To be
    # equal to torchvision it takes whole masks (`USE_MINI_MASK: false`).
    MASK_TARGETS: Literal["crop", "sampled"] = "crop"
    # Whether ground-truth masks are kept as small masks of the insides of their boxes, which takes
    # far less memory.
    USE_MINI_MASK: bool = True
    # Height and width of these small masks.
    MINI_MASK_SHAPE: Pair = (56, 56)
    # Objects of an image that training sees at most; of more, a random choice.
    MAX_GT_INSTANCES: PositiveInt = 100
    # Box deltas of the box head are divided by these.
    BBOX_STD_DEV: Deltas = np.array([0.1, 0.1, 0.2, 0.2])

    # -- Detections
    # Objects that are found in an image at most.
    DETECTION_MAX_INSTANCES: PositiveInt = 100
    # Objects with a lower score are dropped.
    DETECTION_MIN_CONFIDENCE: Fraction = 0.7
    # Objects that overlap a better one of the same class by more than this IoU are dropped.
    DETECTION_NMS_THRESHOLD: Fraction = 0.3
    # What a RoI can become: `best`, a detection of its likeliest class, as in the original; `all`,
    # one of every class whose score is high enough.
    DETECTION_CLASSES: Literal["best", "all"] = "best"
    # Objects of a smaller height or width, in pixels of the network's input, are dropped.
    DETECTION_MIN_SIZE: NotNegative = 0
    # Whether `detect` rounds boxes to whole pixels, as the original does.
    DETECTION_ROUND_BOXES: bool = True
    # How the predicted mask is put into the image: `box`, resized to the rounded box, as in the
    # original; `padded`, with a rim of zeros and a box larger by it, as in torchvision.
    MASK_PASTE: Literal["box", "padded"] = "box"

    # -- Training
    # `sgd` with momentum, or `adamw`.
    OPTIMIZER: Literal["sgd", "adamw"] = "sgd"
    # Given by `--set`, the rate of the first stage of `SCHEDULE`; those of the other stages keep
    # their ratio to it. Scripts pass it to `MaskRCNN.train`.
    LEARNING_RATE: PositiveFloat = 0.001
    # Momentum of SGD.
    LEARNING_MOMENTUM: Fraction = 0.9
    # Steps at the start of a run over which the learning rate rises from a tenth.
    WARMUP_STEPS: NotNegativeInt = 0
    # Factor of the squared weights in the loss; the term of each weight is divided by its size, as
    # in the original.
    WEIGHT_DECAY: NotNegative = 0.0001
    # Gradients are scaled down to this norm, that of all of them together.
    GRADIENT_CLIP_NORM: PositiveFloat = 5.0
    # What a run does when a loss is NaN or infinite: `stop`; `skip`, leave out the update of that
    # step; or `rewind`, go back to the last checkpoint and on with another order of the images and
    # half the learning rate. `not_finite.csv` in the run folder lists what was done.
    ON_NAN: Literal["stop", "skip", "rewind"] = "stop"
    # Steps that `skip` leaves out one after another, or rewinds of a run, after which it stops all
    # the same.
    ON_NAN_LIMIT: PositiveInt = 5
    # Factors of the losses. Those that are not named weigh 1; but where `EDGE_LOSS_WEIGHT_ENTROPY`
    # puts another cross entropy in its place, `mrcnn_mask_loss` is only reported: unless named
    # here, it weighs 0.
    LOSS_WEIGHTS: dict[str, NotNegative] = {}
    # What multiplies these: `fixed` (nothing), `uncertainty` (a learned variance per loss, arXiv
    # 1705.07115) or `gradnorm` (gradients of one size at the FPN's outputs, arXiv 1711.02257).
    LOSS_WEIGHTING: Literal["fixed", "uncertainty", "gradnorm"] = "fixed"
    # Steps between two updates of the weights by GradNorm.
    GRADNORM_EVERY: PositiveInt = 10
    # How strongly GradNorm pulls the losses towards equal training rates.
    GRADNORM_ALPHA: NotNegative = 1.5
    # Size of an update of GradNorm.
    GRADNORM_LEARNING_RATE: PositiveFloat = 0.025
    # Error of a box delta, in its unit, up to which the box losses are quadratic.
    SMOOTH_L1_BETA: PositiveFloat = 1.0
    # What the sum of the box losses is divided by: `positives`, the number of deltas of positive
    # anchors or RoIs; `sampled`, that of all anchors or RoIs that were drawn.
    BOX_LOSS_MEAN: Literal["positives", "sampled"] = "positives"
    # The RoIs in the class loss: `slots`, all slots of images with objects, empty ones as
    # background, as in the original; `filled`, those of all images without the empty ones.
    CLASS_LOSS_ROIS: Literal["slots", "filled"] = "slots"
    # Stages as (layers, steps, learning rate); the layers are `heads`, `5+`, `4+`, `3+` (these
    # stages of the backbone and all above), `all` or a regular expression of layer names.
    SCHEDULE: list[tuple[str, int, float]] = [
        ("heads", 40_000, 0.001),
        ("4+", 80_000, 0.001),
        ("all", 40_000, 0.0001),
    ]
    # Unit of the stages of `SCHEDULE`: `steps`, or `epochs`, of which each shows every training
    # image once; `STEPS_PER_EPOCH` then follows from the number of images.
    SCHEDULE_UNIT: Literal["steps", "epochs"] = "steps"
    # Batch size that the rates of `SCHEDULE` are for: with another one they are multiplied by
    # `BATCH_SIZE` times `ACCUMULATE` over it. Null: they are taken as they are.
    LEARNING_RATE_BATCH: PositiveInt | None = None

    # How many stages of the backbone may learn, counted from the last, whatever `SCHEDULE` says: 5
    # is all, 3 is C3 to C5, 0 none. torchvision calls it `trainable_layers`.
    TRAINABLE_LAYERS: StageCount = 5

    # -- Augmentation
    # Mirror half of the training images left to right.
    FLIP: bool = True
    # Mirror half of the training images top to bottom. The keys that follow act in their order but
    # for the scale, which comes last.
    AUGMENT_FLIP_VERTICAL: bool = False
    # Turn training images by 0, 90, 180 or 270 degrees.
    AUGMENT_ROTATE_90: bool = False
    # Cut training images down to a share of the height and of the width, each drawn from this
    # range.
    AUGMENT_CROP: CropRange | None = None
    # Probability that objects of another image are pasted into a training image.
    AUGMENT_COPY_PASTE: Fraction = 0.0
    # Change brightness, contrast, saturation and hue of training images by at most so much: a
    # share, of the hue turns of the colour circle.
    AUGMENT_COLOR_JITTER: Jitter | None = None
    # Show training images larger or smaller by a factor out of this range.
    AUGMENT_SCALE: ScaleRange | None = None

    # -- Losses on boundaries
    # Filters of the Edge Agreement Head (arXiv 1809.07069); no filters, no head. Instead of
    # filters, the name of one other loss on boundaries: see `edge_agreement.MAP_LOSSES`.
    EDGE_LOSS_FILTERS: list[str] = []
    # Exponent p of the distance of the two edge maps.
    EDGE_LOSS_NORM: Exponent = 2.0
    # Factor of the loss; with `EDGE_LOSS_WEIGHT_ENTROPY` that of the edge error.
    EDGE_LOSS_WEIGHT_FACTOR: NotNegative = 1.0
    # Smooth the ground-truth masks with a 3 x 3 Gaussian first.
    EDGE_LOSS_SMOOTHING_GT: bool = False
    # Smooth the predicted masks with a 3 x 3 Gaussian first.
    EDGE_LOSS_SMOOTHING_PREDICTIONS: bool = False
    # Compare gradient magnitudes instead of the two components.
    EDGE_LOSS_MAGNITUDE: bool = False
    # Scale the kernels so that a step of 1 answers with 1.
    EDGE_LOSS_NORMALIZE: bool = False
    # `zero`, as published, or `edge`: no response at the border of a RoI.
    EDGE_LOSS_PADDING: Literal["zero", "edge"] = "zero"
    # Weight the cross entropy of the mask with the edge error instead of adding the latter (section
    # 5.6). In Python, True is the authors' `exp16`, False is None.
    EDGE_LOSS_WEIGHT_ENTROPY: Literal["product", "exp4", "exp16"] | None = None

    # What follows from these; see `DERIVED`.
    BATCH_SIZE: int
    IMAGE_SHAPE: np.ndarray
    IMAGE_META_SIZE: int
    POSITIVE_ROIS: int

    def __new__(cls, *_: Any, **__: Any) -> "Config":
        # Not in `__init__`: that of a subclass may not call this one.
        self = super().__new__(cls)
        for name in SETTINGS:
            self._store(name, old_settings.accepted(_KEYS[name], getattr(self, name)))
        self._derive()
        old_settings.adopt_names(self, SETTINGS, DERIVED)
        return self

    def __init__(self) -> None:
        self.check()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in SETTINGS:
            self._store(name, old_settings.accepted(_KEYS[name], value))
            self._derive()
        elif name in DERIVED:
            old_settings.assign_derived(self, name, value, DERIVED[name])
        else:
            super().__setattr__(name, value)
            old_settings.adopt_name(self, name, SETTINGS)

    def update(self, **settings: Any) -> "Config":
        """Return a copy with other values; `InputError` for a name that does not exist."""
        changed = object.__new__(type(self))
        own = {name: copy.copy(v) for name, v in vars(self).items() if isinstance(v, EDITABLE)}
        changed.__dict__.update({**vars(self), **own})
        for name, value in settings.items():
            if name not in SETTINGS:
                raise InputError(f"config key {name!r} does not exist.{nearest(name, SETTINGS)}")
            changed._store(name, value)
        changed._derive()
        changed.check()
        return changed

    def check(self) -> None:
        """Check every value, and whether they fit together.

        Raises:
            InputError: One does not, which may have been edited in place.
        """
        for name in SETTINGS:
            _checked(name, getattr(self, name))
        for contradiction in contradictions(self):
            raise InputError(contradiction)

    def to_dict(self) -> dict[str, Any]:
        """The settings (not what is computed from them) in the order of their declaration."""
        values = {name: getattr(self, name) for name in SETTINGS}
        if self._mask_weight_is_default():
            names = [name for name in values["LOSS_WEIGHTS"] if name != "mrcnn_mask_loss"]
            values["LOSS_WEIGHTS"] = {name: values["LOSS_WEIGHTS"][name] for name in names}
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        }

    def display(self, file: TextIO | None = None) -> None:
        """Print every setting and every computed value, to the standard output or `file`."""
        for name in sorted(key for key in dir(self) if key.isupper()):
            print(f"{name:32} {getattr(self, name)}", file=file)

    def _store(self, name: str, value: Any) -> None:
        value = _checked(name, value)
        if name == "LOSS_WEIGHTS":
            # What `mrcnn_mask_loss` weighs where no weight is named; None where one is.
            vars(self)["_default_mask_weight"] = None if "mrcnn_mask_loss" in value else 1.0
            value = {**dict.fromkeys(LOSS_NAMES, 1.0), **value}
        vars(self)[name] = value

    def _mask_weight_is_default(self) -> bool:
        default = vars(self)["_default_mask_weight"]
        return default is not None and self.LOSS_WEIGHTS.get("mrcnn_mask_loss") == default

    def _derive(self) -> None:
        least, most = self.IMAGE_MIN_DIM, self.IMAGE_MAX_DIM
        special = {"canvas": (least, most), "crop": (least, least)}
        special["shorter"] = (-(-least // 32) * 32, -(-most // 32) * 32)
        sides = special.get(self.IMAGE_RESIZE_MODE, (most, most))
        vars(self).update(
            BATCH_SIZE=self.IMAGES_PER_GPU * self.GPU_COUNT,
            IMAGE_SHAPE=np.array([*sides, self.IMAGE_CHANNEL_COUNT]),
            IMAGE_META_SIZE=1 + 3 + 3 + 4 + 1 + self.NUM_CLASSES,
            # The positive slots of a batch: the mask head runs on these alone.
            POSITIVE_ROIS=int(self.TRAIN_ROIS_PER_IMAGE * self.ROI_POSITIVE_RATIO),
        )
        if self._mask_weight_is_default():
            replaced = self.EDGE_LOSS_FILTERS and self.EDGE_LOSS_WEIGHT_ENTROPY
            weight = 0.0 if replaced else 1.0
            vars(self)["_default_mask_weight"] = self.LOSS_WEIGHTS["mrcnn_mask_loss"] = weight


# Values that can be edited in place: no two configurations share one.
EDITABLE = (list, dict, np.ndarray)
SETTINGS: dict[str, Any] = {n: h for n, h in get_type_hints(Config).items() if hasattr(Config, n)}
# What follows from them, and from which.
DERIVED = {
    "BATCH_SIZE": "IMAGES_PER_GPU times GPU_COUNT",
    "IMAGE_SHAPE": "IMAGE_MIN_DIM, IMAGE_MAX_DIM, IMAGE_RESIZE_MODE and IMAGE_CHANNEL_COUNT",
    "IMAGE_META_SIZE": "NUM_CLASSES",
    "POSITIVE_ROIS": "TRAIN_ROIS_PER_IMAGE times ROI_POSITIVE_RATIO",
}
_HINTS = get_type_hints(Config, include_extras=True)
_KEYS = {name: Key(name, _HINTS[name]) for name in SETTINGS}


def range_words(name: str) -> str:
    """What a value of a key must be, such as "be positive"; empty where it has no range."""
    return _KEYS[name].words


def _checked(name: str, value: Any) -> Any:
    """`value` in the type that `name` is declared with."""
    if name == "EDGE_LOSS_WEIGHT_ENTROPY" and isinstance(value, bool):
        value = "exp16" if value else None
    value = _KEYS[name].check(value)
    if name == "LOSS_WEIGHTS":
        check_loss_weights(value)
    return value


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
