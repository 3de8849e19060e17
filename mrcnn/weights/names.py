"""The names that other writers of weight files give to the same layers and weights."""

import re
from collections.abc import Collection

# Keras 1 called the kernel W; its running_std has always held the variance.
_ALIASES = {
    "W": "kernel",
    "b": "bias",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}
WEIGHTS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
_BLOCK = re.compile(r"conv([2-5])_block(\d+)_([0-3])_(conv|bn)")
_BRANCHES = {"0": "1", "1": "2a", "2": "2b", "3": "2c"}


def weight_name(layer: str, name: str) -> str:
    """Our name of the weight `name` of `layer`: "kernel" of "res2a_branch2a_W_1:0".

    A name that is not understood is returned without its ":0".
    """
    name = name.split(":")[0]
    short = re.sub(r"_\d+$", "", name.removeprefix(f"{layer}_"))
    short = _ALIASES.get(short, short)
    return short if short in WEIGHTS else name


def application_name(name: str) -> str | None:
    """The original's name of a layer of ResNet-50 or ResNet-101 in the current
    `keras.applications`: "res3b_branch2a" of "conv3_block2_1_conv"; None for other names.
    """
    if name in ("conv1_conv", "conv1_bn"):
        return {"conv1_conv": "conv1", "conv1_bn": "bn_conv1"}[name]
    match = _BLOCK.fullmatch(name)
    if not match:
        return None
    stage, block, branch, kind = match.groups()
    # ResNet-101 has 23 blocks in a stage, ResNet-152 has 36: beyond z there is no name.
    if not 1 <= int(block) <= 26:
        return None
    prefix = "res" if kind == "conv" else "bn"
    return f"{prefix}{stage}{chr(96 + int(block))}_branch{_BRANCHES[branch]}"


def our_name(name: str, known: Collection[str]) -> str:
    """`name`, or what the model `known` calls the layer of that name in `keras.applications`."""
    renamed = application_name(name)
    return renamed if name not in known and renamed in known else name
