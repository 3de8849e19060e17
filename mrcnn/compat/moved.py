"""Modules and names of earlier releases that live elsewhere now, so that old imports still work."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from mrcnn.compat.removed import removed_module, removed_name

# Where each module of release 0.1.0 that is gone is now.
MODULES = {
    "mrcnn.backend.torch_files": "mrcnn.weights.torch_files",
    "mrcnn.data.augmentation": "mrcnn.data.transforms.custom",
    "mrcnn.data.batch": "mrcnn.data.pipeline.batch",
    "mrcnn.data.checks.findings": "mrcnn.data.findings",
    "mrcnn.data.checks.remarks": "mrcnn.data.checks.advice",
    "mrcnn.data.checks.structure": "mrcnn.data.datasets.coco_structure",
    "mrcnn.data.clipping": "mrcnn.data.transforms.clipping",
    "mrcnn.data.coco": "mrcnn.data.datasets.coco",
    "mrcnn.data.color": "mrcnn.data.transforms.color",
    "mrcnn.data.copy_paste": "mrcnn.data.transforms.copy_paste",
    "mrcnn.data.dataset": "mrcnn.data.datasets.dataset",
    "mrcnn.data.detections": "mrcnn.data.pipeline.detections",
    "mrcnn.data.download": "mrcnn.hub.download",
    "mrcnn.data.files": "mrcnn.data.annotation_files",
    "mrcnn.data.formats": "mrcnn.data.datasets",
    "mrcnn.data.formats.cityscapes": "mrcnn.data.datasets.cityscapes",
    "mrcnn.data.formats.instance_png": "mrcnn.data.datasets.mask_files",
    "mrcnn.data.formats.labelme": "mrcnn.data.datasets.labelme",
    "mrcnn.data.formats.mask_files": "mrcnn.data.datasets.mask_files",
    "mrcnn.data.formats.to_coco": "mrcnn.data.datasets.to_coco",
    "mrcnn.data.formats.voc": "mrcnn.data.datasets.voc",
    "mrcnn.data.formats.yolo": "mrcnn.data.datasets.yolo",
    "mrcnn.data.given_rois": "mrcnn.compat.random_rois",
    "mrcnn.data.legacy": "mrcnn.compat.loading",
    "mrcnn.data.loader": "mrcnn.data.pipeline.loader",
    "mrcnn.data.objects": "mrcnn.data.datasets.object_table",
    "mrcnn.data.placement": "mrcnn.data.resize",
    "mrcnn.data.plan": "mrcnn.data.pipeline.batch_sampler",
    "mrcnn.data.policy": "mrcnn.data.transforms.random_augmentation",
    "mrcnn.data.pretrained": "mrcnn.hub.imagenet",
    "mrcnn.data.sample": "mrcnn.data.datasets.toy_sample",
    "mrcnn.data.shapes": "mrcnn.data.datasets.shapes",
    "mrcnn.data.tabled": "mrcnn.data.datasets.object_table",
    "mrcnn.data.unzip": "mrcnn.hub.unzip",
    "mrcnn.data.via": "mrcnn.data.datasets.via",
    "mrcnn.data.workers": "mrcnn.data.pipeline.workers",
    "mrcnn.drawing.data_page": "mrcnn.report.data_page",
    "mrcnn.drawing.data_pictures": "mrcnn.report.data_pictures",
    "mrcnn.modeling.convert": "mrcnn.weights.keras_converter",
    "mrcnn.modeling.layer_names": "mrcnn.weights.names",
    "mrcnn.modeling.models": "mrcnn.modeling.losses",
    "mrcnn.modeling.state_dict": "mrcnn.weights.state_dict",
    "mrcnn.modeling.torchvision": "mrcnn.weights.torchvision",
    "mrcnn.modeling.weight_files": "mrcnn.weights.file_formats",
    "mrcnn.modeling.weights": "mrcnn.weights.loading",
    "mrcnn.training.legacy": "mrcnn.compat.generators",
}
# Those of them that have modules of their own.
PACKAGES = {"mrcnn.data.formats"}
# Names that a module of release 0.1.0 had and its successor has not: where each is now.
NAMES = {
    "mrcnn.config": {
        "FRACTIONS": "mrcnn.compat.ranges.FRACTIONS",
        "NOT_NEGATIVE": "mrcnn.compat.ranges.NOT_NEGATIVE",
        "POSITIVE": "mrcnn.compat.ranges.POSITIVE",
        "Range": "mrcnn.config_types.ScaleRange",
        "load_config": "mrcnn.config_io.load_config",
        "parse_overrides": "mrcnn.config_io.parse_overrides",
        "save_config": "mrcnn.config_io.save_config",
    },
    "mrcnn.data.files": {"image_path": "mrcnn.compat.paths.image_path"},
    "mrcnn.data.checks.remarks": {
        "annotation_remarks": "mrcnn.data.checks.advice.annotation_advice",
        "box_remarks": "mrcnn.data.checks.advice.box_advice",
        "category_remarks": "mrcnn.data.checks.advice.category_advice",
        "class_remarks": "mrcnn.data.checks.advice.class_advice",
    },
    "mrcnn.data.coco": {
        name: f"mrcnn.data.datasets.coco_files.{name}"
        for name in ("YEARS", "find_files", "find_year")
    },
    "mrcnn.data.given_rois": {"POSITIVE_IOU": "mrcnn.constants.POSITIVE_ROI_IOU"},
    "mrcnn.data.legacy": {
        "NEGATIVE_IOU": "mrcnn.constants.NEGATIVE_ANCHOR_IOU",
        "POSITIVE_IOU": "mrcnn.constants.POSITIVE_ANCHOR_IOU",
    },
    "mrcnn.training.legacy": {"Batch": "mrcnn.compat.generators.GeneratorBatch"},
    "mrcnn.data.placement": {"Placement": "mrcnn.data.resize.ResizeTransform"},
    "mrcnn.data.plan": {"BatchPlan": "mrcnn.data.pipeline.batch_sampler.BatchSampler"},
    "mrcnn.data.policy": {
        "Policy": "mrcnn.data.transforms.random_augmentation.RandomAugmentation",
    },
    "mrcnn.data.tabled": {
        "TabledDataset": "mrcnn.data.datasets.object_table.ObjectTableDataset",
    },
    "mrcnn.data.transforms": {
        name: f"mrcnn.data.transforms.geometric.{name}"
        for name in (
            "Move",
            "Sample",
            "crop",
            "cut",
            "flip_horizontal",
            "flip_vertical",
            "rescale",
            "rotate_90",
        )
    },
    "mrcnn.drawing.axes": {"label": "mrcnn.compat.drawing.label"},
    "mrcnn.drawing.data_page": {"STYLE": "mrcnn.compat.drawing.STYLE"},
    "mrcnn.evaluation.coco": {
        "Detector": "mrcnn.evaluation.inference.Detector",
        "detect_dataset": "mrcnn.evaluation.inference.detect_dataset",
    },
    "mrcnn.model": {
        "SLOTS": "mrcnn.modeling.detection.SLOTS",
        "MaskModel": "mrcnn.weights.models.MaskModel",
        "MaskTrainingModel": "mrcnn.weights.models.MaskTrainingModel",
        "ancestor": "mrcnn.compat.inspection.ancestor",
        "before": "mrcnn.training.schedule.before",
        "compiled": "mrcnn.backend.compiled",
        **{
            name: f"mrcnn.weights.loading.{name}"
            for name in ("LoadReport", "load_weights", "save_weights", "weighted_layers")
        },
        **{
            name: f"mrcnn.training.checkpoint.{name}"
            for name in ("checkpoint_name", "epochs_in_name", "is_checkpoint")
        },
        "HEADS": "mrcnn.training.schedule.HEADS",
        "find_last": "mrcnn.training.checkpoint.find_last",
        "get_imagenet_weights": "mrcnn.hub.imagenet.get_imagenet_weights",
        "mold_inputs": "mrcnn.data.pipeline.detections.mold_inputs",
        "normalized": "mrcnn.modeling.anchors.normalized",
        "pyramid_anchors": "mrcnn.modeling.anchors.pyramid_anchors",
        "read_state": "mrcnn.training.checkpoint.read_state",
        "unmold_detections": "mrcnn.data.pipeline.detections.unmold_detections",
        "EDGE_LOSS": "mrcnn.constants.EDGE_LOSS",
        "FILTER_OPTIONS": "mrcnn.edge.FILTER_OPTIONS",
    },
    "mrcnn.modeling.matching": {
        name: f"mrcnn.constants.{name}"
        for name in ("CROWD_IOU", "NEGATIVE_ANCHOR_IOU", "POSITIVE_ANCHOR_IOU", "POSITIVE_ROI_IOU")
    },
    "mrcnn.modeling.torchvision": {
        "MEAN": "mrcnn.compat.ranges.TORCHVISION_MEAN",
        "SETTINGS": "mrcnn.compat.ranges.TORCHVISION_SETTINGS",
    },
    "mrcnn.modeling.weights": {"RPN": "mrcnn.constants.RPN_LAYERS"},
    "mrcnn.modeling.models": {
        "MaskModel": "mrcnn.weights.models.MaskModel",
        "ancestor": "mrcnn.compat.inspection.ancestor",
    },
}


def moved_name(module: str, name: str) -> Any:
    """Return what `module` had under `name` in an earlier release; for its `__getattr__`.

    Raises:
        AttributeError, ImportError: It had no such name, or it is not kept.
    """
    place = NAMES.get(module, {}).get(name)
    if place is None:
        if error := removed_name(module, name):
            raise error
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    owner, _, attribute = place.rpartition(".")
    return getattr(importlib.import_module(owner), attribute)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module under its old name, with the names of its successor and those of `NAMES`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if error := removed_module(fullname):
            raise error
        if fullname not in MODULES:
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=fullname in PACKAGES)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        successor = importlib.import_module(MODULES[name])

        def get(attribute: str) -> Any:
            if attribute in NAMES.get(name, {}):
                return moved_name(name, attribute)
            return getattr(successor, attribute)

        module.__doc__ = successor.__doc__
        module.__getattr__ = get  # type: ignore[method-assign]


def install() -> None:
    """Let old module names be imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
