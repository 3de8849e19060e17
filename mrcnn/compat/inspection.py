"""What the original's model offers for looking at single steps of it, for its notebooks."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from mrcnn.compat.anchors import pixel_anchors
from mrcnn.config import Config
from mrcnn.data.pipeline.detections import Found, mold_inputs, unmold
from mrcnn.errors import InputError
from mrcnn.hub.imagenet import get_imagenet_weights
from mrcnn.modeling.anchors import config_anchors, normalized
from mrcnn.modeling.detection import DetectionRunner
from mrcnn.modeling.network import Network
from mrcnn.modeling.proposals import Proposals

# The steps of `Proposals` by the names that their tensors have in the original.
INSIDE_ROI = {
    **{step: step for step in Proposals.STEPS[:3]},
    "rpn_non_max_suppression": Proposals.STEPS[3],
}


def ancestor(tensor: keras.KerasTensor, name: str) -> keras.KerasTensor | None:
    """The output of a layer that a tensor is computed from; None where there is no such layer.

    Args:
        tensor: A symbolic tensor.
        name: Of the layer; of "layer/operation:0", as TensorFlow names tensors, the part before the
            slash. Inside of the layer "ROI" the original's tensors are found: `pre_nms_anchors`,
            `refined_anchors`, `refined_anchors_clipped` and `rpn_non_max_suppression`.
    """
    wanted, _, inner = name.partition("/")
    step = INSIDE_ROI.get(inner.split("/")[0].split(":")[0]) if wanted == "ROI" else None
    for source in _ancestors(tensor):
        operation, node, _ = source._keras_history
        if step is None and operation.name == wanted.split(":")[0]:
            return source
        if step is not None and isinstance(operation, Proposals):
            outputs = operation._inbound_nodes[node].output_tensors
            return outputs[len(outputs) - len(Proposals.STEPS) + Proposals.STEPS.index(step)]
    return None


def _ancestors(tensor: keras.KerasTensor) -> Iterator[keras.KerasTensor]:
    waiting, seen = [tensor], set()
    while waiting:
        operation, node, _ = waiting.pop()._keras_history
        if (operation, node) in seen:
            continue
        seen.add((operation, node))
        sources = operation._inbound_nodes[node].input_tensors
        yield from sources
        waiting += sources


def counterparts(model: keras.Model, other: keras.Model) -> dict[int, keras.KerasTensor]:
    """The tensors of `other` by the `id`s of the same ones of `model`, both of one network for
    different sizes of the input.

    Raises:
        InputError: They are built in different ways.
    """
    found: dict[int, keras.KerasTensor] = {}
    waiting = list(zip(model.outputs, other.outputs, strict=True))
    while waiting:
        ours, theirs = waiting.pop()
        if id(ours) in found:
            continue
        nodes = [
            operation._inbound_nodes[node]
            for operation, node, _ in (ours._keras_history, theirs._keras_history)
        ]
        if type(nodes[0].operation) is not type(nodes[1].operation):
            raise InputError("run_graph cannot look into a network of this size of images")
        pairs = zip(nodes[0].output_tensors, nodes[1].output_tensors, strict=True)
        found.update((id(tensor), its) for tensor, its in pairs)
        waiting += zip(nodes[0].input_tensors, nodes[1].input_tensors, strict=True)
    return found


class Inspection:
    """Methods of `mrcnn.model.MaskRCNN`: inputs and outputs, anchors, layers and inner tensors."""

    mode: str
    config: Config
    keras_model: keras.Model
    network: Network
    _detect: DetectionRunner
    _molded_shape: tuple[int, ...] | None = None

    def layers(self) -> dict[str, list[keras.Variable]]:
        """Variables by layer name."""
        raise NotImplementedError

    def mold_inputs(
        self, images: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Molded images, metas and windows, see `mrcnn.data.pipeline.detections.mold_inputs`."""
        return mold_inputs(images, self.config)

    def unmold_detections(
        self,
        detections: np.ndarray,
        mrcnn_mask: np.ndarray,
        original_image_shape: Sequence[int],
        image_shape: Sequence[int],
        window: Sequence[int],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Boxes, class ids, scores and masks on the original image, see
        `mrcnn.data.pipeline.detections.unmold_detections`.
        """
        found = self._unmold(detections, mrcnn_mask, original_image_shape, image_shape, window)
        return found.boxes, found.class_ids, found.scores, found.masks()

    def get_anchors(self, image_shape: Sequence[int]) -> np.ndarray:
        """Anchors `(A, 4)` float32 of a molded image, normalised; `anchors` are then its too."""
        self._molded_shape = tuple(image_shape)
        anchors = config_anchors(self.config, image_shape)
        return normalized(anchors, image_shape, self.config.BOX_CODING)

    @property
    def anchors(self) -> np.ndarray:
        """Anchors `(A, 4)` float64 in pixels of the molded image that was last detected on or asked
        for; at first those of `config.IMAGE_SHAPE`.
        """
        shape = self.config.IMAGE_SHAPE if self._molded_shape is None else self._molded_shape
        return pixel_anchors(shape, self.config)

    def run_graph(
        self,
        images: Sequence[np.ndarray],
        outputs: Sequence[tuple[str, Any]],
        image_metas: np.ndarray | None = None,
    ) -> OrderedDict[str, np.ndarray]:
        """Compute tensors inside the inference model, to look at them.

        Args:
            images: RGB images, or molded ones with `image_metas`; all of one molded size, which
                need not be that of `keras_model`.
            outputs: Names and tensors of `keras_model`, such as
                `("rpn_class", model.keras_model.get_layer("rpn_class").output)`.
            image_metas: `(B, META)`.

        Returns:
            The values by name.

        Raises:
            InputError: Not in inference mode, the images do not fit the network, or a tensor is
                not of `keras_model`.
        """
        if self.mode != "inference":
            raise InputError("run_graph needs a model made with mode='inference'")
        for name, tensor in outputs:
            if tensor is None:
                raise InputError(f"run_graph: {name!r} is None, not a tensor of keras_model")
        if image_metas is None:
            molded, image_metas, _ = self.mold_inputs(images)
        else:
            molded = np.asarray(images, np.float32)
        self._molded_shape = molded.shape[1:]
        model, tensors = self.keras_model, [tensor for _, tensor in outputs]
        if molded.shape[1:] != tuple(model.inputs[0].shape[1:]):
            model = self.network.inference(molded.shape[1:])
            same = counterparts(self.keras_model, model)
            for name, tensor in outputs:
                if id(tensor) not in same:
                    raise InputError(f"run_graph: {name!r} is not a tensor of keras_model")
            tensors = [same[id(tensor)] for tensor in tensors]
        part = keras.Model(model.inputs, tensors)
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

    def ancestor(
        self, tensor: keras.KerasTensor, name: str, checked: Any = None
    ) -> keras.KerasTensor | None:
        """The output of the layer `name` that a tensor is computed from, see
        `ancestor` of this module.

        Args:
            tensor: A tensor of `keras_model`.
            name: Of the layer.
            checked: For the original's calls; without effect.
        """
        return ancestor(tensor, name)

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
        self._molded_shape = shape
        detections, masks = self._detect(np.asarray(molded_images, np.float32), metas)
        return [
            as_result(self._unmold(found, mask, shape, shape, window))
            for found, mask in zip(detections, masks, strict=True)
        ]

    def get_imagenet_weights(self) -> str:
        """Path of ImageNet weights for ResNet-50, downloaded if they are not there yet.

        Raises:
            InputError: They cannot be had.
        """
        return get_imagenet_weights()

    def _unmold(self, *arguments: Any) -> Found:
        return unmold(
            *arguments,
            coding=self.config.BOX_CODING,
            rounds=self.config.DETECTION_ROUND_BOXES,
            paste=self.config.MASK_PASTE,
        )


def as_result(found: Found, masks: str = "full") -> dict[str, Any]:
    """What `detect` returns for an image; `masks` is "full" or "rle"."""
    return {
        "rois": found.boxes,
        "class_ids": found.class_ids,
        "scores": found.scores,
        "masks": found.masks() if masks == "full" else found.encodings(),
    }
