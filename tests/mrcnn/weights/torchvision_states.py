"""State dicts with the names and shapes of torchvision's networks, of small widths."""

import numpy as np

BLOCKS = (2, 1, 1, 1)
CHANNELS, WIDTH, CLASSES = 8, 12, 5
BODY, HEADS = "backbone.body", "roi_heads"


def make_state(rng, blocks=BLOCKS, classes=CLASSES, channels=CHANNELS, width=WIDTH):
    """A state dict with the names and shapes of maskrcnn_resnet50_fpn, its widths apart."""
    state = {}

    def normal(*shape):
        # Of a size that keeps activations near 1 through the whole network.
        inputs = np.prod(shape[1:]) if len(shape) > 1 else 25
        return (rng.standard_normal(shape, "float32") / np.sqrt(inputs)).astype("float32")

    def conv(name, out, inputs, side):
        state[f"{name}.weight"] = normal(out, inputs, side, side)

    def norm(name, size):
        state[f"{name}.weight"] = rng.uniform(0.5, 1.5, size).astype("float32")
        state[f"{name}.bias"] = normal(size)
        state[f"{name}.running_mean"] = normal(size)
        # Small enough for an epsilon of 1e-3 to matter.
        state[f"{name}.running_var"] = rng.uniform(0.01, 0.5, size).astype("float32")

    def biased(name, *shape):
        state[f"{name}.weight"] = normal(*shape)
        state[f"{name}.bias"] = normal(shape[0])

    conv(f"{BODY}.conv1", 64, 3, 7)
    norm(f"{BODY}.bn1", 64)
    inputs = 64
    for stage, count in enumerate(blocks, start=1):
        middle = 32 * 2**stage
        for index in range(count):
            block = f"{BODY}.layer{stage}.{index}"
            conv(f"{block}.conv1", middle, inputs, 1)
            norm(f"{block}.bn1", middle)
            conv(f"{block}.conv2", middle, middle, 3)
            norm(f"{block}.bn2", middle)
            conv(f"{block}.conv3", 4 * middle, middle, 1)
            norm(f"{block}.bn3", 4 * middle)
            if index == 0:
                conv(f"{block}.downsample.0", 4 * middle, inputs, 1)
                norm(f"{block}.downsample.1", 4 * middle)
            inputs = 4 * middle
    for level in range(4):
        biased(f"backbone.fpn.inner_blocks.{level}.0", channels, 256 * 2**level, 1, 1)
        biased(f"backbone.fpn.layer_blocks.{level}.0", channels, channels, 3, 3)
    biased("rpn.head.conv.0.0", channels, channels, 3, 3)
    biased("rpn.head.cls_logits", 3, channels, 1, 1)
    biased("rpn.head.bbox_pred", 12, channels, 1, 1)
    biased(f"{HEADS}.box_head.fc6", width, channels * 49)
    biased(f"{HEADS}.box_head.fc7", width, width)
    biased(f"{HEADS}.box_predictor.cls_score", classes, width)
    biased(f"{HEADS}.box_predictor.bbox_pred", 4 * classes, width)
    for index in range(4):
        biased(f"{HEADS}.mask_head.{index}.0", channels, channels, 3, 3)
    biased(f"{HEADS}.mask_predictor.conv5_mask", channels, channels, 2, 2)
    biased(f"{HEADS}.mask_predictor.mask_fcn_logits", classes, channels, 1, 1)
    return state


def second_version(state, rng):
    """The same with the layers of maskrcnn_resnet50_fpn_v2."""
    result = {name: x for name, x in state.items() if "box_head" not in name}
    places = [f"backbone.fpn.{kind}_blocks.{n}" for kind in ("inner", "layer") for n in range(4)]
    places += [f"{HEADS}.mask_head.{n}" for n in range(4)]
    for n in range(4):
        result[f"{HEADS}.box_head.{n}.0.weight"] = np.ones((CHANNELS, CHANNELS, 3, 3), "float32")
        places.append(f"{HEADS}.box_head.{n}")
    for place in places:
        result.pop(f"{place}.0.bias", None)
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            result[f"{place}.1.{leaf}"] = rng.uniform(0.5, 1, CHANNELS).astype("float32")
        result[f"{place}.1.num_batches_tracked"] = np.array(3)
    for leaf in ("weight", "bias"):
        result[f"rpn.head.conv.1.0.{leaf}"] = 2 * state[f"rpn.head.conv.0.0.{leaf}"]
        result[f"{HEADS}.box_head.5.{leaf}"] = state[f"{HEADS}.box_head.fc6.{leaf}"]
    return result
