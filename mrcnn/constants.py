"""Values that several parts must agree on."""

# The losses of Mask R-CNN, in the order of logs and pictures, and that of the Edge Agreement Head
# or of another loss on boundaries in its place.
MASK_RCNN_LOSSES = (
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
)
EDGE_LOSS = "mrcnn_mask_edge_loss"
LOSS_NAMES = (*MASK_RCNN_LOSSES, EDGE_LOSS)

# The layers of the RPN that have weights.
RPN_LAYERS = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")


def rpn_convolutions(depth: int) -> list[str]:
    """Names of the 3 x 3 convolutions of an RPN that has `depth` of them."""
    return [RPN_LAYERS[0], *(f"{RPN_LAYERS[0]}{n}" for n in range(2, depth + 1))]


def in_rpn(layer: str) -> bool:
    """Whether a layer with weights belongs to the RPN, by its name."""
    return layer in RPN_LAYERS or layer.startswith(RPN_LAYERS[0])


# The layers whose size is that of the classes.
CLASS_LAYERS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask")

# An anchor is positive from the first IoU on, or where no anchor fits an object better; below the
# second one it is background for every other object.
POSITIVE_ANCHOR_IOU, NEGATIVE_ANCHOR_IOU = 0.7, 0.3
# A RoI is positive from here on, and negative below.
POSITIVE_ROI_IOU = 0.5
# What overlaps a crowd by this much is not negative.
CROWD_IOU = 0.001
