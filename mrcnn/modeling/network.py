"""The whole network, wired once: a training model and an inference model over the same layers."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from mrcnn.backend import built_in
from mrcnn.config import Config
from mrcnn.errors import InputError
from mrcnn.modeling import boxes as box_ops
from mrcnn.modeling import losses
from mrcnn.modeling.anchors import level_shapes
from mrcnn.modeling.backbone import build_backbone, layer_stages
from mrcnn.modeling.detection import Detections
from mrcnn.modeling.fpn import build_fpn, flatten_levels
from mrcnn.modeling.heads import build_classifier, build_mask_head
from mrcnn.modeling.layers import Builder
from mrcnn.modeling.losses import TrainingModel
from mrcnn.modeling.proposals import Proposals
from mrcnn.modeling.roi_align import RoIAlign
from mrcnn.modeling.rpn import SampledRPN, build_rpn
from mrcnn.modeling.targets import RoITargets, RPNTargets

# Positions in the image meta vector: id, original shape, shape, window, scale, active classes.
META_WINDOW = slice(7, 11)
META_ACTIVE = slice(12, None)
STRIDES = (4, 8, 16, 32, 64)


class Network:
    """Mask R-CNN (arXiv 1703.06870) with static shapes.

    Its methods return Keras models for one input size each; all of them share their weights.

    Args:
        config: The configuration.
        mask_losses: Further losses by name. Each is called with target masks `(B, P, h, w)`, class
            ids `(B, P)` (0 where there is no mask to learn) and predicted masks `(B, P, h, w, C)`,
            and returns a scalar.
        inference_model: Class of the model that `inference` returns.
        training_model: Class of the model that `training` returns.

    Raises:
        InputError: `MASK_SHAPE` is not what the mask head makes, or the backbone does not fit.
    """

    def __init__(
        self,
        config: Config,
        mask_losses: dict[str, Callable] | None = None,
        inference_model: type[keras.Model] = keras.Model,
        training_model: type[TrainingModel] = TrainingModel,
    ):
        if tuple(config.BACKBONE_STRIDES) != STRIDES:
            raise InputError(
                f"BACKBONE_STRIDES must be {STRIDES}, those of C2 to P6, "
                f"got {config.BACKBONE_STRIDES}"
            )
        side = 2 * config.MASK_POOL_SIZE
        if tuple(config.MASK_SHAPE) != (side, side):
            raise InputError(
                f"MASK_SHAPE must be twice MASK_POOL_SIZE, ({side}, {side}), "
                f"got {config.MASK_SHAPE}"
            )
        self.config = config
        self.mask_losses = mask_losses or {}
        self._inference_model = inference_model
        self._training_model = training_model
        self.builder = Builder(config.TRAIN_BN, config.WEIGHT_DECAY, config.NORM_EPSILON)
        self._models: dict[tuple, keras.Model] = {}

    def training(self, image_shape: tuple[int, ...]) -> keras.Model:
        """The model that computes the losses of a batch; inputs are named as in the original."""
        return self._model("training", image_shape, self._build_training)

    def inference(self, image_shape: tuple[int, ...]) -> keras.Model:
        """The model that detects: detections, mrcnn_class, mrcnn_bbox, mrcnn_mask, rpn_rois,
        rpn_class, rpn_bbox.
        """
        return self._model("inference", image_shape, self._build_inference)

    def detector(self, image_shape: tuple[int, ...]) -> keras.Model:
        """The part of `inference` before the masks: detections, and P2 to P5 as flat features.

        Every call makes a new model: `DetectionRunner` keeps those that it used last.
        """
        with built_in(self.config.PRECISION):
            return self._build_detector(_network_shape(image_shape))

    def segmenter(self, image_shape: tuple[int, ...], slots: int) -> keras.Model:
        """Masks `(B, slots, h, w, C)` of detections `(B, slots, 6)` and the flat features.

        Most images have far fewer objects than `DETECTION_MAX_INSTANCES`; the mask head need not
        run on the rest. Every call makes a new model, as for `detector`.
        """
        with built_in(self.config.PRECISION):
            return self._build_segmenter(_network_shape(image_shape), slots)

    def layer_stages(self) -> dict[str, int]:
        """The backbone stage 1 to 5 of every backbone layer by name."""
        return layer_stages(self.builder)

    def _model(self, mode: str, image_shape, build) -> keras.Model:
        key = (mode, *image_shape[:2])
        if key not in self._models:
            with built_in(self.config.PRECISION):
                self._models[key] = build(_network_shape(image_shape))
        return self._models[key]

    def _features(self, image):
        config = self.config
        stages = build_backbone(
            self.builder, image, config.BACKBONE, config.BACKBONE_ARGS, config.MEAN_PIXEL
        )
        levels = build_fpn(self.builder, stages, config.TOP_DOWN_PYRAMID_SIZE, config.FPN_NORM)
        if config.COMPUTE_BACKBONE_SHAPE is not None:
            wanted = np.asarray(config.COMPUTE_BACKBONE_SHAPE(image.shape[1:])).tolist()
            found = [list(level.shape[1:3]) for level in levels]
            if wanted != found:
                raise InputError(f"COMPUTE_BACKBONE_SHAPE gives {wanted}, P2 to P6 are {found}")
        return levels

    def _propose(self, image, meta, levels, count: int, limit: int | None, name: str):
        """RPN outputs and `count` proposals with their validity."""
        config = self.config
        ratios = len(config.RPN_ANCHOR_RATIOS)
        logits, probabilities, deltas = build_rpn(
            self.builder,
            levels,
            config.RPN_CHANNELS,
            ratios,
            config.RPN_ANCHOR_STRIDE,
            config.RPN_CONV_DEPTH,
        )
        inputs = [probabilities, deltas, image]
        if config.PROPOSAL_CLIP == "window":
            inputs.append(self._normalize(meta[:, META_WINDOW], image.shape[1:3]))
        rois, valid, *_ = self.builder.layer(name, Proposals, count, config, limit)(*inputs)
        # The boxes alone, under the name that they have in the original.
        rois = self.builder.layer("ROI", keras.layers.Identity, dtype="float32")(rois)
        return logits, probabilities, deltas, rois, valid

    def _pool(self, rois, flat_features, shapes, side: int, name: str):
        config = self.config
        settings = config.ROI_ALIGN, config.ROI_LEVEL, config.BOX_CODING
        return RoIAlign(side, shapes, *settings, name=name)(rois, flat_features)

    def _classify(self, rois, flat_features, shapes):
        config = self.config
        pooled = self._pool(rois, flat_features, shapes, config.POOL_SIZE, "roi_align_classifier")
        return build_classifier(
            self.builder,
            pooled,
            config.NUM_CLASSES,
            config.FPN_CLASSIF_FC_LAYERS_SIZE,
            config.BOX_HEAD,
            config.HEAD_NORM,
        )

    def _segment(self, rois, flat_features, shapes):
        config = self.config
        pooled = self._pool(rois, flat_features, shapes, config.MASK_POOL_SIZE, "roi_align_mask")
        return build_mask_head(
            self.builder, pooled, config.NUM_CLASSES, config.MASK_HEAD_CHANNELS, config.HEAD_NORM
        )

    def _normalize(self, boxes, shape):
        """Boxes in pixels in the coordinates of `BOX_CODING`."""
        return box_ops.normalize(boxes, shape, self.config.BOX_CODING)

    def _shapes(self, shape):
        """Height and width of the input and of P2 to P5."""
        return [shape, *level_shapes(shape, self.config.BACKBONE_STRIDES[:4])]

    def _build_training(self, shape) -> keras.Model:
        config = self.config
        inputs = self._training_inputs(shape)
        gt_class_ids = inputs["input_gt_class_ids"]
        gt_boxes = self._normalize(inputs["input_gt_boxes"], shape)
        meta = inputs["input_image_meta"]

        levels = self._features(inputs["input_image"])
        flat_features = flatten_levels(levels)
        # Proposals carry no gradient, so neither does the RPN that makes them.
        frozen = [ops.stop_gradient(level) for level in levels]
        logits, probabilities, deltas, rois, valid = self._propose(
            inputs["input_image"],
            meta,
            frozen,
            config.POST_NMS_ROIS_TRAINING,
            config.PRE_NMS_LIMIT_TRAINING,
            "proposals",
        )
        if not config.USE_RPN_ROIS:
            rois = self._normalize(inputs["input_rois"], shape)
            valid = ops.any(ops.not_equal(inputs["input_rois"], 0), axis=-1)
        anchors = self._sampled_anchors(inputs, flat_features, levels, gt_boxes)

        targets = self.builder.layer("proposal_targets", RoITargets, config)
        rois, class_ids, target_deltas, mask_ids, target_masks = targets(
            rois,
            valid,
            gt_class_ids,
            gt_boxes,
            inputs["input_gt_masks"],
            inputs["input_gt_has_mask"],
        )
        class_logits, class_probabilities, class_deltas = self._classify(
            rois, flat_features, self._shapes(shape)
        )
        masks = self._segment(rois[:, : config.POSITIVE_ROIS], flat_features, self._shapes(shape))

        layer = self.builder.layer(
            "losses",
            losses.Losses,
            config.LOSS_WEIGHTS,
            self.mask_losses,
            weighting=config.LOSS_WEIGHTING,
            beta=config.SMOOTH_L1_BETA,
            box_mean=config.BOX_LOSS_MEAN,
            class_rois=config.CLASS_LOSS_ROIS,
        )
        values = layer(
            anchors,
            (class_ids, target_deltas, mask_ids, target_masks, class_logits, class_deltas, masks),
            gt_class_ids,
            meta[:, META_ACTIVE],
            ops.any(ops.not_equal(rois, 0), axis=-1),
        )
        outputs = {
            "rpn_class_logits": logits,
            "rpn_class": probabilities,
            "rpn_bbox": deltas,
            "mrcnn_class_logits": class_logits,
            "mrcnn_class": class_probabilities,
            "mrcnn_bbox": class_deltas,
            "mrcnn_mask": masks,
            "output_rois": rois,
            "target_class_ids": class_ids,
            "target_bbox": target_deltas,
            "target_mask_ids": mask_ids,
            "target_mask": target_masks,
            **values,
        }
        return self._training_model(inputs, outputs, list(values), name="mask_rcnn_training")

    def _training_inputs(self, shape) -> dict[str, Any]:
        config = self.config
        count = config.MAX_GT_INSTANCES
        mask_shape = config.MINI_MASK_SHAPE if config.USE_MINI_MASK else shape
        inputs = {
            "input_image": keras.Input((*shape, config.IMAGE_CHANNEL_COUNT), name="input_image"),
            "input_image_meta": keras.Input((config.IMAGE_META_SIZE,), name="input_image_meta"),
            "input_gt_class_ids": keras.Input((count,), dtype="int32", name="input_gt_class_ids"),
            "input_gt_boxes": keras.Input((count, 4), name="input_gt_boxes"),
            "input_gt_masks": keras.Input(
                (*mask_shape, count), dtype="uint8", name="input_gt_masks"
            ),
            "input_gt_has_mask": keras.Input((count,), dtype="bool", name="input_gt_has_mask"),
        }
        if not config.USE_RPN_ROIS:
            inputs["input_rois"] = keras.Input(
                (config.POST_NMS_ROIS_TRAINING, 4), name="input_rois"
            )
        return inputs

    def _rpn_targets(self, inputs, gt_boxes):
        """Indices, labels, used and deltas of the sampled anchors, see `RPNTargets`."""
        layer = self.builder.layer("rpn_targets", RPNTargets, self.config)
        return layer(inputs["input_gt_class_ids"], gt_boxes, inputs["input_image"])

    def _sampled_anchors(self, inputs, flat_features, levels, gt_boxes):
        config = self.config
        indices, labels, used, deltas = self._rpn_targets(inputs, gt_boxes)
        sampled = self.builder.layer(
            "rpn_sampled",
            SampledRPN,
            self.builder,
            len(config.RPN_ANCHOR_RATIOS),
            config.RPN_ANCHOR_STRIDE,
            config.RPN_CONV_DEPTH,
        )
        logits, predicted = sampled(flat_features, indices, levels)
        return labels, used, deltas, logits, predicted

    def _image_inputs(self, shape):
        return [
            keras.Input((*shape, self.config.IMAGE_CHANNEL_COUNT), name="input_image"),
            keras.Input((self.config.IMAGE_META_SIZE,), name="input_image_meta"),
        ]

    def _detect(self, image, meta, shape):
        config = self.config
        levels = self._features(image)
        flat_features = flatten_levels(levels[:4])
        _, rpn_class, rpn_bbox, rois, valid = self._propose(
            image, meta, levels, config.POST_NMS_ROIS_INFERENCE, None, "proposals_inference"
        )
        _, probabilities, deltas = self._classify(rois, flat_features, self._shapes(shape))
        window = self._normalize(meta[:, META_WINDOW], shape)
        # A new layer for each size of the input: it has no weights, but knows that.
        layer = Detections(config, shape, name="mrcnn_detection")
        detections = layer(rois, valid, probabilities, deltas, window)
        return detections, flat_features, [probabilities, deltas], [rois, rpn_class, rpn_bbox]

    def _build_inference(self, shape) -> keras.Model:
        image, meta = self._image_inputs(shape)
        detections, flat_features, classes, proposals = self._detect(image, meta, shape)
        masks = self._segment(detections[..., :4], flat_features, self._shapes(shape))
        outputs = [detections, *classes, masks, *proposals]
        return self._inference_model([image, meta], outputs, name="mask_rcnn_inference")

    def _build_detector(self, shape) -> keras.Model:
        image, meta = self._image_inputs(shape)
        detections, flat_features, _, _ = self._detect(image, meta, shape)
        return keras.Model([image, meta], [detections, flat_features], name="mask_rcnn_detector")

    def _build_segmenter(self, shape, slots: int) -> keras.Model:
        shapes = self._shapes(shape)
        rows = sum(height * width for height, width in shapes[1:])
        detections = keras.Input((slots, 6), name="detections")
        flat_features = keras.Input(
            (rows, self.config.TOP_DOWN_PYRAMID_SIZE),
            dtype=keras.config.dtype_policy().compute_dtype,
            name="features",
        )
        masks = self._segment(detections[..., :4], flat_features, shapes)
        return keras.Model([detections, flat_features], masks, name="mask_rcnn_segmenter")


def _network_shape(image_shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of an input that the network can take."""
    height, width = (int(side) for side in image_shape[:2])
    if height % 32 or width % 32:
        raise InputError(
            f"the sides of the network's input must divide by 32, got {(height, width)}; "
            "any IMAGE_RESIZE_MODE but 'none' makes them do so"
        )
    return height, width


def dummy_batch(
    config: Config, batch: int, shape: tuple[int, int], objects: int = 1, seed: int = 0
):
    """A random batch of the training inputs, for benchmarks and tests of shapes: rectangles whose
    masks leave out a seventh on each side.

    Without `USE_RPN_ROIS`, the RoIs are the boxes of the objects.
    """
    rng = np.random.default_rng(seed)
    count, (height, width) = config.MAX_GT_INSTANCES, shape
    objects = min(objects, count)
    sizes = rng.uniform(0.1, 0.5, (batch, objects, 2)) * [height, width]
    corners = rng.uniform(0, 1, (batch, objects, 2)) * ([height, width] - sizes)
    boxes = np.zeros((batch, count, 4), "float32")
    boxes[:, :objects] = np.concatenate([corners, corners + sizes], axis=-1)
    class_ids = np.zeros((batch, count), "int32")
    class_ids[:, :objects] = rng.integers(1, config.NUM_CLASSES, (batch, objects))
    meta = np.zeros((batch, config.IMAGE_META_SIZE), "float32")
    meta[:, META_WINDOW] = [0, 0, height, width]
    meta[:, META_ACTIVE] = 1
    image = rng.normal(0, 50, (batch, height, width, config.IMAGE_CHANNEL_COUNT))
    inputs = {
        "input_image": image.astype("float32"),
        "input_image_meta": meta,
        "input_gt_class_ids": class_ids,
        "input_gt_boxes": boxes,
        "input_gt_masks": _dummy_masks(config, boxes[:, :objects], shape),
        "input_gt_has_mask": class_ids > 0,
    }
    if not config.USE_RPN_ROIS:
        rois = np.zeros((batch, config.POST_NMS_ROIS_TRAINING, 4), "float32")
        given = min(objects, config.POST_NMS_ROIS_TRAINING)
        rois[:, :given] = boxes[:, :given]
        inputs["input_rois"] = rois
    return inputs


def _dummy_masks(config: Config, boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mini masks, or full ones, of objects with boxes `(B, N, 4)` in pixels."""
    batch, objects = boxes.shape[:2]
    size = config.MINI_MASK_SHAPE if config.USE_MINI_MASK else shape
    if config.USE_MINI_MASK:
        boxes = np.broadcast_to([0, 0, *size], boxes.shape).astype("float32")
    margins = np.tile((boxes[..., 2:] - boxes[..., :2]) / 7, 2) * [1, 1, -1, -1]
    y1, x1, y2, x2 = np.moveaxis(np.rint(boxes + margins)[..., None, None, :], -1, 0)
    y, x = np.arange(size[0])[:, None], np.arange(size[1])
    masks = np.zeros((batch, *size, config.MAX_GT_INSTANCES), "uint8")
    inside = (y >= y1) & (y < y2) & (x >= x1) & (x < x2)
    masks[..., :objects] = np.moveaxis(inside, 1, -1)
    return masks
