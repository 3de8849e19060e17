"""What the original has and this package has not, and what to use instead."""

import dis
import sys
from types import FrameType

from mrcnn.compat.warn import warn

PAGE = 'see "Coming from matterport" in the documentation'
# Modules.
MODULES = {
    "mrcnn.parallel_model": (
        "one device computes the whole batch of GPU_COUNT * IMAGES_PER_GPU images: leave "
        "ParallelModel out, and use keras_model itself"
    ),
}
_LOSSES = "mrcnn.modeling.losses"
_BOXES = "mrcnn.modeling.boxes"
# Names of modules.
NAMES = {
    "mrcnn.model": {
        "resnet_graph": "BACKBONE chooses the backbone; the network is in mrcnn.modeling.backbone",
        "identity_block": "it is part of mrcnn.modeling.backbone",
        "conv_block": "it is part of mrcnn.modeling.backbone",
        "BatchNorm": "keras.layers.BatchNormalization; TRAIN_BN says how it acts",
        "rpn_graph": "mrcnn.modeling.rpn.build_rpn",
        "build_rpn_model": "mrcnn.modeling.rpn.build_rpn",
        "ProposalLayer": "mrcnn.modeling.proposals.Proposals",
        "PyramidROIAlign": "mrcnn.modeling.roi_align.pyramid_roi_align",
        "log2_graph": "keras.ops.log2",
        "DetectionTargetLayer": "mrcnn.modeling.targets.RoITargets",
        "detection_targets_graph": "mrcnn.modeling.targets.RoITargets",
        "DetectionLayer": "mrcnn.modeling.detection.Detections",
        "refine_detections_graph": "mrcnn.modeling.detection.Detections",
        "fpn_classifier_graph": "mrcnn.modeling.heads.build_classifier",
        "build_fpn_mask_graph": "mrcnn.modeling.heads.build_mask_head",
        "smooth_l1_loss": _LOSSES,
        "rpn_class_loss_graph": f"{_LOSSES}.rpn_class_loss",
        "rpn_bbox_loss_graph": f"{_LOSSES}.rpn_bbox_loss",
        "mrcnn_class_loss_graph": f"{_LOSSES}.mrcnn_class_loss",
        "mrcnn_bbox_loss_graph": f"{_LOSSES}.mrcnn_bbox_loss",
        "mrcnn_mask_loss_graph": f"{_LOSSES}.mrcnn_mask_loss",
        "mrcnn_mask_edge_loss_graph": "edge_agreement.EdgeAgreementHead",
        "overlaps_graph": f"{_BOXES}.pairwise_iou",
        "apply_box_deltas_graph": f"{_BOXES}.apply_deltas",
        "clip_boxes_graph": f"{_BOXES}.clip",
        "norm_boxes_graph": f"{_BOXES}.normalize",
        "denorm_boxes_graph": "mrcnn.utils.denorm_boxes, of arrays",
        "trim_zeros_graph": "mrcnn.utils.trim_zeros, of arrays",
        "batch_pack_graph": "keras.ops; shapes are static, with a mask of what is valid",
        "parse_image_meta_graph": "mrcnn.model.parse_image_meta, of arrays",
    },
}


def removed_module(name: str) -> ImportError | None:
    """The error of importing a module that is not kept; None for others."""
    if name not in MODULES:
        return None
    return ModuleNotFoundError(f"{name} is not kept: {MODULES[name]}; {PAGE}", name=name)


def removed_name(module: str, name: str) -> Exception | None:
    """The error of using a name that is not kept, for the `__getattr__` of its module, which calls
    this; None for other names.
    """
    instead = NAMES.get(module, {}).get(name)
    if instead is None:
        return None
    message = f"{module}.{name} is not kept; instead: {instead}; {PAGE}"
    # `from module import name` would put a message without all this in place of an AttributeError.
    kind = ImportError if _is_import(sys._getframe(1), module) else AttributeError
    return kind(message)


def warn_of_build(model: type, base: type) -> None:
    """Warn of a subclass of `MaskRCNN` that overrides what is never called."""
    if getattr(model, "build", None) is not getattr(base, "build", None):
        warn(
            f"{model.__name__}.build is not called: the network is made by "
            f"mrcnn.modeling.network.Network. {PAGE[0].upper()}{PAGE[1:]}"
        )


def _is_import(frame: FrameType | None, module: str) -> bool:
    """Whether the first frame outside of this package imports."""
    while frame and frame.f_globals.get("__name__", "").startswith("mrcnn.compat"):
        frame = frame.f_back
    if frame and frame.f_globals.get("__name__") == module:
        frame = frame.f_back
    if frame is None:
        return False
    return frame.f_code.co_code[frame.f_lasti] == dis.opmap["IMPORT_FROM"]
