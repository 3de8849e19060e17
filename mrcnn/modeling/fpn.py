"""Feature Pyramid Network (arXiv 1612.03144): C2 to C5 in, P2 to P6 out, and all levels as one
matrix of flat features.
"""

import keras
from keras import ops

from mrcnn.backend import gather_rows
from mrcnn.modeling.layers import Builder

# Of the levels that have most positions, RoIs and sampled anchors read few; so little of what these
# levels are made of has a gradient, too.
SPARSE_LEVELS = (2, 3)


def build_fpn(builder: Builder, stages, channels: int, norm: str = "none"):
    """[P2, ..., P6], each `(B, H, W, channels)`, of [C2, ..., C5]; `norm` is `Config.FPN_NORM`."""

    def conv(x, side: int, name: str, **kwargs):
        bn = f"{name}_bn" if norm == "batch" else None
        return builder.conv_norm(x, channels, (side, side), name, bn, **kwargs)

    c2, c3, c4, c5 = stages
    p5 = conv(c5, 1, "fpn_c5p5")
    p4 = _merge(builder, p5, conv(c4, 1, "fpn_c4p4"), 4)
    p3 = _merge(builder, p4, conv(c3, 1, "fpn_c3p3", few_rows=True), 3)
    p2 = _merge(builder, p3, conv(c2, 1, "fpn_c2p2", few_rows=True), 2)
    p2, p3, p4, p5 = (
        conv(p, 3, f"fpn_p{level}", padding="same", few_rows=level in SPARSE_LEVELS)
        for level, p in enumerate((p2, p3, p4, p5), start=2)
    )
    p6 = builder.layer("fpn_p6", keras.layers.MaxPooling2D, (1, 1), strides=2)(p5)
    return [p2, p3, p4, p5, p6]


def _merge(builder: Builder, above, side, level: int):
    up = builder.layer(f"fpn_p{level + 1}upsampled", keras.layers.UpSampling2D, (2, 2))(above)
    # A side of 800 / 32 = 25 doubles to 50 = 800 / 16; only sides that divide by 32 come here.
    return builder.layer(f"fpn_p{level}add", keras.layers.Add)([up, side])


def flatten_levels(levels):
    """All positions of [P2, ...] as one `(B, S, C)` tensor, P2 first, rows first."""
    return ops.concatenate(
        [ops.reshape(p, (-1, p.shape[1] * p.shape[2], p.shape[3])) for p in levels], axis=1
    )


def shapes_of(levels) -> list[tuple[int, int]]:
    """Height and width of every level."""
    return [(p.shape[1], p.shape[2]) for p in levels]


def take_rows(flat_features, indices):
    """Rows of `flat_features` `(B, S, C)` at `indices` `(B, ...)`: `(B, ..., C)`."""
    batch = ops.shape(flat_features)[0]
    size, channels = flat_features.shape[1], flat_features.shape[2]
    offsets = ops.reshape(ops.arange(batch) * size, (-1,) + (1,) * (len(indices.shape) - 1))
    return gather_rows(
        ops.reshape(flat_features, (-1, channels)), indices + ops.cast(offsets, indices.dtype)
    )
