"""Tables of release 0.1.0 that are now in the annotations of `Config`, or in a configuration."""

from mrcnn.config import SETTINGS, range_words


def _keys(words: str) -> tuple[str, ...]:
    return tuple(name for name in SETTINGS if range_words(name) == words)


POSITIVE = _keys("be positive")
NOT_NEGATIVE = _keys("not be negative")
FRACTIONS = _keys("lie within 0 and 1")

# Of `mrcnn.modeling.torchvision`: what changes the network. The configuration
# `torchvision_resnet50` has all of it.
TORCHVISION_MEAN = (0.485, 0.456, 0.406)
TORCHVISION_SETTINGS = {
    "BACKBONE_ARGS": {"stride_in_3x3": True, "symmetric_padding": True},
    "HEAD_NORM": "none",
    "RPN_CHANNELS": 256,
    "MEAN_PIXEL": [round(255 * mean, 3) for mean in TORCHVISION_MEAN],
    "RPN_ANCHOR_SCALES": [32.0, 64.0, 128.0, 256.0, 512.0],
    "RPN_ANCHOR_RATIOS": [0.5, 1.0, 2.0],
    "RPN_BBOX_STD_DEV": [1.0, 1.0, 1.0, 1.0],
    "BBOX_STD_DEV": [0.1, 0.1, 0.2, 0.2],
    "DETECTION_MIN_CONFIDENCE": 0.05,
    "DETECTION_NMS_THRESHOLD": 0.5,
    "DETECTION_MAX_INSTANCES": 100,
}
