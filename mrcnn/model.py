"""`MaskRCNN`: the one object that most users need, as in the original."""

import datetime
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edge_agreement import FILTER_NAMES, MAP_LOSSES, EdgeAgreementHead, MapLossHead
from mrcnn.backend import compiled
from mrcnn.config import Config, save_config
from mrcnn.data.dataset import Dataset
from mrcnn.data.image import (
    compose_image_meta,
    mold_image,
    parse_image_meta,
    resize_image,
    unmold_image,
)
from mrcnn.data.legacy import build_rpn_targets, load_image_gt
from mrcnn.data.loader import Loader
from mrcnn.data.masks import unmold_mask
from mrcnn.data.policy import Policy
from mrcnn.data.pretrained import get_imagenet_weights
from mrcnn.data.resampling import resize_exact
from mrcnn.errors import InputError, nearest
from mrcnn.modeling.anchors import normalized, pyramid_anchors
from mrcnn.modeling.network import Network
from mrcnn.modeling.weights import LoadReport, load_weights, save_weights, weighted_layers
from mrcnn.training.checkpoint import find_last
from mrcnn.training.legacy import DataGenerator, data_generator
from mrcnn.training.loop import Outcome, Trainer
from mrcnn.training.schedule import HEADS, Stage, parse_schedule, set_trainable

MODES = ("training", "inference")
# The mask head runs on so many detections at a time as the image with the most has, rounded up to
# one of these.
SLOTS = (8, 16, 32, 64)
EDGE_LOSS = "mrcnn_mask_edge_loss"
# Options that only the filters have.
FILTER_OPTIONS = (
    "EDGE_LOSS_NORM",
    "EDGE_LOSS_SMOOTHING_GT",
    "EDGE_LOSS_SMOOTHING_PREDICTIONS",
    "EDGE_LOSS_MAGNITUDE",
    "EDGE_LOSS_NORMALIZE",
    "EDGE_LOSS_PADDING",
    "EDGE_LOSS_WEIGHT_ENTROPY",
)


def edge_losses(config: Config) -> dict[str, Callable]:
    """The loss on mask boundaries that the configuration asks for, under its name; empty without
    filters.

    Either edge filters, or one of `edge_agreement.MAP_LOSSES` in their place. With
    `EDGE_LOSS_WEIGHT_ENTROPY` its value is the weighted cross entropy of the masks, and takes the
    place of `mrcnn_mask_loss` in the total (see `Config.LOSS_WEIGHTS`).

    Raises:
        InputError: A filter or loss does not exist, the two are mixed, or an option is out of range
            or without effect.
    """
    names = [part.strip().lower() for name in config.EDGE_LOSS_FILTERS for part in name.split("+")]
    if not names:
        if config.EDGE_LOSS_WEIGHT_ENTROPY:
            raise InputError(
                "EDGE_LOSS_WEIGHT_ENTROPY weights the cross entropy with the error of filters, "
                "but EDGE_LOSS_FILTERS names none"
            )
        return {}
    for name in names:
        if name not in FILTER_NAMES and name not in MAP_LOSSES:
            raise InputError(
                f"EDGE_LOSS_FILTERS has no filter or loss {name!r}; filters are "
                f"{', '.join(FILTER_NAMES)}, losses in their place {', '.join(MAP_LOSSES)}."
                f"{nearest(name, [*FILTER_NAMES, *MAP_LOSSES])}"
            )
    siblings = [name for name in names if name in MAP_LOSSES]
    if siblings:
        return {EDGE_LOSS: _sibling(config, siblings[0], len(names))}
    try:
        head = EdgeAgreementHead(
            filters=names,
            p=config.EDGE_LOSS_NORM,
            weight=config.EDGE_LOSS_WEIGHT_FACTOR,
            smooth_gt=config.EDGE_LOSS_SMOOTHING_GT,
            smooth_pred=config.EDGE_LOSS_SMOOTHING_PREDICTIONS,
            magnitude=config.EDGE_LOSS_MAGNITUDE,
            normalize=config.EDGE_LOSS_NORMALIZE,
            padding=config.EDGE_LOSS_PADDING,
            weight_entropy=config.EDGE_LOSS_WEIGHT_ENTROPY,
            name=EDGE_LOSS,
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"EDGE_LOSS_FILTERS: {error}") from None
    return {EDGE_LOSS: head}


def _sibling(config: Config, name: str, count: int) -> MapLossHead:
    if count > 1:
        raise InputError(
            f"EDGE_LOSS_FILTERS: {name!r} is a loss of its own and cannot be combined, "
            f"got {config.EDGE_LOSS_FILTERS}"
        )
    for option in FILTER_OPTIONS:
        if getattr(config, option) != getattr(Config, option):
            raise InputError(
                f"{option} belongs to edge filters and has no effect on {name!r}, "
                f"got {getattr(config, option)!r}"
            )
    if name == "signed-distance" and config.LOSS_WEIGHTING != "fixed":
        raise InputError(
            f"LOSS_WEIGHTING {config.LOSS_WEIGHTING!r} needs losses of at least 0, and "
            "'signed-distance' falls below: use 'fixed'"
        )
    return MapLossHead(name, weight=config.EDGE_LOSS_WEIGHT_FACTOR, name=EDGE_LOSS)


class MaskRCNN:
    """Mask R-CNN with the API of matterport/Mask_RCNN.

    Args:
        mode: "training" or "inference".
        config: The configuration.
        model_dir: Folder in which a run makes its own folder for checkpoints and logs.

    Attributes:
        keras_model: The Keras model of `mode` for `config.IMAGE_SHAPE`.
        log_dir: Folder of the run.

    Raises:
        InputError: No such mode, backbone or filter.
    """

    def __init__(self, mode: str, config: Config, model_dir: str | Path):
        if mode not in MODES:
            raise InputError(f"mode is 'training' or 'inference', got {mode!r}")
        self.mode = mode
        self.config = config
        self.model_dir = Path(model_dir)
        self.epoch = 0
        self._stages: list[Stage] = []
        keras.utils.set_random_seed(config.SEED)
        self.network = Network(config, edge_losses(config))
        build = self.network.training if mode == "training" else self.network.inference
        self.keras_model = build(config.IMAGE_SHAPE)
        self.set_log_dir()
        self._functions: dict[tuple, Callable] = {}
        if config.BACKBONE_WEIGHTS:
            self.load_backbone(config.BACKBONE_WEIGHTS)

    def set_log_dir(self, folder: str | Path | None = None) -> None:
        """Set the run's folder; without one it is `model_dir`/name and time."""
        stamp = f"{datetime.datetime.now():%Y%m%dT%H%M%S}"
        name = (self.config.NAME or "model").lower()
        self.log_dir = Path(folder) if folder else self.model_dir / f"{name}{stamp}"

    def find_last(self) -> str:
        """Newest checkpoint below `model_dir`.

        Raises:
            InputError: There is none.
        """
        return str(find_last(self.model_dir))

    def layers(self) -> dict[str, list[keras.Variable]]:
        """Variables by layer name, as weight files have them."""
        return weighted_layers(self.keras_model)

    def load_weights(
        self,
        filepath: str | Path,
        by_name: bool = True,
        exclude: Sequence[str] | None = None,
        strict: bool = True,
        verbose: bool = True,
    ) -> LoadReport:
        """Load a weight file or a checkpoint, and print what was loaded.

        Args:
            filepath: HDF5 file in the original's layout, of Keras 3 or of `keras.applications`, or
                a `.keras` archive.
            by_name: For the original's calls; weights are always matched by name.
            exclude: Layers to leave as they are, such as those that depend on the number of
                classes.
            strict: Raise when a weight of the model is missing or has another shape.
            verbose: Print the report.

        Raises:
            InputError: The file cannot be read or does not fit; nothing is loaded then.
        """
        report = load_weights(self.layers(), filepath, exclude or (), strict=strict)
        if verbose:
            print(f"{filepath}\n{report}")
        return report

    def load_backbone(self, filepath: str | Path) -> LoadReport:
        """Load the backbone alone, such as ImageNet weights of a `keras.applications` network.

        Raises:
            InputError: The file cannot be read, or a weight of the backbone is missing or has
                another shape.
        """
        backbone = {name: v for name, v in self.layers().items() if not HEADS.fullmatch(name)}
        return load_weights(backbone, filepath)

    def save_weights(self, filepath: str | Path) -> None:
        """Write the weights in the original's layout."""
        save_weights(self.layers(), filepath)

    def set_trainable(self, layer_regex: str) -> None:
        """Choose the layers that learn: "heads", "3+", "4+", "5+", "all" or a regular expression of
        layer names.
        """
        set_trainable(self.network, layer_regex)

    def train(
        self,
        train_dataset: Dataset,
        val_dataset: Dataset | None,
        learning_rate: float,
        epochs: int,
        layers: str,
        workers: int = 0,
    ) -> Outcome:
        """Train up to epoch `epochs`, counted over all calls, of `STEPS_PER_EPOCH` steps each.

        Args:
            train_dataset: A prepared dataset.
            val_dataset: For validation losses after every epoch, or None.
            learning_rate: Learning rate.
            epochs: Total epochs after this call.
            layers: See `set_trainable`.
            workers: Processes that load images; 0 uses threads.

        Raises:
            InputError: Not in training mode, bad data, or a loss that is not finite.
        """
        if epochs <= self.epoch:
            raise InputError(f"epochs counts all epochs; {self.epoch} are done, got {epochs}")
        done = sum(stage.steps for stage in self._stages)
        steps = epochs * self.config.STEPS_PER_EPOCH - done
        stages = [*self._stages, *parse_schedule([(layers, steps, learning_rate)])]
        outcome = self.run(train_dataset, val_dataset, stages, start=done, workers=workers)
        if outcome.step > done:
            self._stages.append(Stage(layers, outcome.step - done, learning_rate))
        self.epoch = outcome.step // self.config.STEPS_PER_EPOCH
        return outcome

    def run(
        self,
        train_dataset: Dataset,
        val_dataset: Dataset | None,
        stages: list[Stage],
        start: int = 0,
        resume: str | Path | None = None,
        state: dict[str, Any] | None = None,
        workers: int = 0,
        quiet: bool = False,
        augmentation: Any = None,
        no_augmentation_sources: Sequence[str] | None = None,
    ) -> Outcome:
        """Run a whole schedule in `log_dir`, or go on with it from a checkpoint.

        Args:
            train_dataset: A prepared dataset.
            val_dataset: For validation losses, or None.
            stages: The schedule.
            start: Steps of the schedule that this model has done already.
            resume: Checkpoint to go on from.
            state: JSON values to keep in every checkpoint, beside the step and the schedule.
            workers: Processes that load images; 0 uses threads.
            quiet: No progress bar.
            augmentation: Of the training images, beside the `FLIP` and `AUGMENT_` keys of the
                configuration: see `mrcnn.data.loader.Loader`.
            no_augmentation_sources: Sources of the dataset whose images none of these change.

        Raises:
            InputError: Not in training mode, bad data, a checkpoint that does not fit, or a loss
                that is not finite.
        """
        if self.mode != "training":
            raise InputError("training needs a model made with mode='training'")
        if not self.config.USE_RPN_ROIS:
            raise InputError(
                "USE_RPN_ROIS must be True for train: datasets have no RoIs; "
                "without it, give batches with input_rois to keras_model.train_on_batch"
            )
        if self.config.CLASS_NAMES is None:
            self.config.CLASS_NAMES = list(train_dataset.class_names)
        loader = Loader(
            train_dataset,
            self.config,
            flip=self.config.FLIP,
            workers=workers,
            policy=Policy.of(self.config),
            augmentation=augmentation,
            no_augmentation_sources=no_augmentation_sources,
        )
        validation = None
        if val_dataset is not None and len(val_dataset.image_ids):
            validation = Loader(val_dataset, self.config, shuffle=False, flip=False)
        self.log_dir.mkdir(parents=True, exist_ok=True)
        save_config(self.config, self.log_dir / "config.yaml")
        trainer = Trainer(self.network, self.config, stages, self.log_dir, quiet=quiet)
        steps = [[stage.layers, stage.steps, stage.learning_rate] for stage in stages]
        state = {**(state or {}), "stages": steps}
        return trainer.run(loader, validation, start=start, resume=resume, state=state)

    def detect(self, images: Sequence[np.ndarray], verbose: int = 0) -> list[dict[str, np.ndarray]]:
        """Find objects.

        Args:
            images: RGB images `(H, W, C)` of any sizes.
            verbose: Print the sizes.

        Returns:
            For each image a dict of `rois` `(N, 4)` int32 pixels, `class_ids` `(N,)` int32,
            `scores` `(N,)` float32 and `masks` `(H, W, N)` bool, highest score first.

        Raises:
            InputError: Not in inference mode, or an image of the wrong shape.
        """
        if self.mode != "inference":
            raise InputError("detect needs a model made with mode='inference'")
        results = []
        for image in images:
            molded, metas, windows = self.mold_inputs([image])
            if verbose:
                print(f"image {image.shape}, molded {molded.shape}, window {tuple(windows[0])}")
            detections, masks = self._detect(molded, metas)
            results.append(
                self._unmold(detections[0], masks[0], image.shape, molded.shape[1:], windows[0])
            )
        return results

    def detect_molded(
        self, molded_images: np.ndarray, image_metas: np.ndarray, verbose: int = 0
    ) -> list[dict[str, np.ndarray]]:
        """Find objects on images that `mold_inputs` or `load_image_gt` made.

        Args:
            molded_images: `(B, H, W, C)` float32.
            image_metas: `(B, META)`.
            verbose: Print the sizes.

        Returns:
            As `detect`, with boxes and masks in pixels of the molded images.
        """
        if self.mode != "inference":
            raise InputError("detect_molded needs a model made with mode='inference'")
        if verbose:
            print(f"{len(molded_images)} molded images {molded_images.shape[1:]}")
        shape = molded_images.shape[1:]
        window = (0, 0, *shape[:2])
        metas = np.asarray(image_metas, np.float32)
        detections, masks = self._detect(np.asarray(molded_images, np.float32), metas)
        return [
            self._unmold(found, mask, shape, shape, window)
            for found, mask in zip(detections, masks, strict=True)
        ]

    def get_imagenet_weights(self) -> str:
        """Path of ImageNet weights for ResNet-50, downloaded if they are not there yet.

        Raises:
            InputError: They cannot be had.
        """
        return get_imagenet_weights()

    def get_anchors(self, image_shape: Sequence[int]) -> np.ndarray:
        """Anchors `(A, 4)` of an image shape, normalised; in pixels they are kept as `anchors`."""
        config = self.config
        self.anchors = pyramid_anchors(
            tuple(image_shape[:2]),
            tuple(config.RPN_ANCHOR_SCALES),
            tuple(config.RPN_ANCHOR_RATIOS),
            tuple(config.BACKBONE_STRIDES),
            config.RPN_ANCHOR_STRIDE,
        )
        return normalized(self.anchors, image_shape)

    def run_graph(
        self,
        images: Sequence[np.ndarray],
        outputs: Sequence[tuple[str, Any]],
        image_metas: np.ndarray | None = None,
    ) -> OrderedDict[str, np.ndarray]:
        """Compute tensors inside the inference model, to look at them.

        Args:
            images: RGB images, or molded ones with `image_metas`; all of one molded size.
            outputs: Names and tensors of `keras_model`, such as
                `("rpn_class", model.keras_model.get_layer("rpn_class").output)`.
            image_metas: `(B, META)`.

        Returns:
            The values by name.

        Raises:
            InputError: Not in inference mode, or the images do not fit `keras_model`.
        """
        if self.mode != "inference":
            raise InputError("run_graph needs a model made with mode='inference'")
        if image_metas is None:
            molded, image_metas, _ = self.mold_inputs(images)
        else:
            molded = np.asarray(images, np.float32)
        expected = tuple(self.keras_model.inputs[0].shape[1:])
        if molded.shape[1:] != expected:
            raise InputError(
                f"run_graph needs images that are molded to {expected}, got {molded.shape[1:]}"
            )
        part = keras.Model(self.keras_model.inputs, [tensor for _, tensor in outputs])
        values = part.predict_on_batch([molded, np.asarray(image_metas, np.float32)])
        names = [name for name, _ in outputs]
        return OrderedDict(zip(names, values, strict=True))

    def get_trainable_layers(self) -> list[keras.Layer]:
        """The layers that have weights, in the order of the network."""
        return [
            layer for layer in self.keras_model._flatten_layers() if layer.name in self.layers()
        ]

    def find_trainable_layer(self, layer: keras.Layer) -> keras.Layer:
        """The layer that holds the weights of `layer`: the one inside, if it wraps another."""
        return self.find_trainable_layer(layer.layer) if hasattr(layer, "layer") else layer

    def mold_inputs(
        self, images: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Resize images to the network's input and take off the mean.

        Returns:
            Molded images `(N, H, W, C)` float32, metas `(N, META)`, windows `(N, 4)` in pixels.
        """
        config, molded, metas, windows = self.config, [], [], []
        for image in images:
            if image.ndim != 3 or image.shape[2] != config.IMAGE_CHANNEL_COUNT:
                raise InputError(
                    f"an image has the shape (height, width, {config.IMAGE_CHANNEL_COUNT}), "
                    f"got {image.shape}"
                )
            resized, window, scale, _, _ = resize_image(
                image, config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM, config.IMAGE_MIN_SCALE,
                config.IMAGE_RESIZE_MODE, interpolate=resize_exact
            )  # fmt: skip
            molded.append(mold_image(resized, config))
            active = np.zeros(config.NUM_CLASSES, np.int32)
            metas.append(compose_image_meta(0, image.shape, resized.shape, window, scale, active))
            windows.append(window)
        return np.stack(molded), np.stack(metas).astype(np.float32), np.array(windows)

    def unmold_detections(
        self,
        detections: np.ndarray,
        mrcnn_mask: np.ndarray,
        original_image_shape: Sequence[int],
        image_shape: Sequence[int],
        window: Sequence[int],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """From the network's detections to boxes, class ids, scores and masks of the original
        image.

        Args:
            detections: `(N, 6)` as from the detection layer, empty slots last.
            mrcnn_mask: `(N, h, w, C)` probabilities.
            original_image_shape: (H, W, C) of the image.
            image_shape: (H, W, C) of the molded image.
            window: Pixel box of the image in the molded image.
        """
        empty = np.flatnonzero(detections[:, 4] == 0)
        count = empty[0] if len(empty) else len(detections)
        boxes, class_ids = detections[:count, :4], detections[:count, 4].astype(np.int32)
        masks = mrcnn_mask[np.arange(count), :, :, class_ids]
        y1, x1, y2, x2 = _normalized(np.array(window, float), image_shape)
        boxes = (boxes - [y1, x1, y1, x1]) / [y2 - y1, x2 - x1, y2 - y1, x2 - x1]
        height, width = original_image_shape[:2]
        scale = np.array([height - 1, width - 1, height - 1, width - 1])
        boxes = np.around(boxes * scale + [0, 0, 1, 1]).astype(np.int32)
        boxes = boxes.clip(0, np.array([height, width, height, width], np.int32))
        kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes, class_ids, masks = boxes[kept], class_ids[kept], masks[kept]
        full = np.zeros((height, width, len(boxes)), bool)
        for index, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
            full[:, :, index] = unmold_mask(mask, box, (height, width))
        return boxes, class_ids, detections[:count, 5][kept], full

    def _unmold(self, *arguments) -> dict[str, np.ndarray]:
        names = ("rois", "class_ids", "scores", "masks")
        return dict(zip(names, self.unmold_detections(*arguments), strict=True))

    def _detect(self, molded: np.ndarray, metas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Detections `(B, D, 6)` and their masks `(B, S, h, w, C)`, S as small as the detections
        allow.
        """
        shape = molded.shape[1:3]
        detector = self._function("detector", shape)
        found, bank = detector([molded, metas])
        detections = keras.ops.convert_to_numpy(found)
        count = int((detections[..., 4] > 0).sum(axis=1).max())
        if not count:
            return detections, np.zeros(
                (len(detections), 0, *self.config.MASK_SHAPE, self.config.NUM_CLASSES)
            )
        slots = min([s for s in SLOTS if s >= count] + [detections.shape[1]])
        segmenter = self._function("segmenter", shape, slots)
        masks = segmenter([found[:, :slots], bank])
        return detections[:, :slots], keras.ops.convert_to_numpy(masks)

    def _function(self, name: str, shape, *arguments) -> Callable:
        key = (name, *shape, *arguments)
        if key not in self._functions:
            self._functions[key] = compiled(getattr(self.network, name)(shape, *arguments))
        return self._functions[key]


def _normalized(box: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    height, width = shape[0] - 1, shape[1] - 1
    return (box - [0, 0, 1, 1]) / [height, width, height, width]


__all__ = [
    "DataGenerator",
    "MaskRCNN",
    "build_rpn_targets",
    "compose_image_meta",
    "data_generator",
    "edge_losses",
    "load_image_gt",
    "mold_image",
    "parse_image_meta",
    "unmold_image",
]
