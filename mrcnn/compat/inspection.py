"""What the original's model offers for looking at single steps of it, for its notebooks."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from mrcnn.config import Config
from mrcnn.data.pipeline.detections import mold_inputs, unmold_detections
from mrcnn.errors import InputError
from mrcnn.hub.imagenet import get_imagenet_weights
from mrcnn.modeling.anchors import config_anchors, normalized
from mrcnn.modeling.detection import DetectionRunner


def ancestor(tensor: keras.KerasTensor, name: str) -> keras.KerasTensor | None:
    """The output of a layer that a tensor is computed from; None where there is no such layer.

    Args:
        tensor: A symbolic tensor.
        name: Of the layer; of "layer/operation:0", as TensorFlow names tensors, the part before the
            slash.
    """
    wanted = name.split("/")[0].split(":")[0]
    waiting, seen = [tensor], set()
    while waiting:
        operation, node, _ = waiting.pop()._keras_history
        if (operation, node) in seen:
            continue
        seen.add((operation, node))
        for source in operation._inbound_nodes[node].input_tensors:
            if source._keras_history.operation.name == wanted:
                return source
            waiting.append(source)
    return None


class Inspection:
    """Methods of `mrcnn.model.MaskRCNN`: inputs and outputs, anchors, layers and inner tensors."""

    mode: str
    config: Config
    keras_model: keras.Model
    _detect: DetectionRunner

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
        return unmold_detections(detections, mrcnn_mask, original_image_shape, image_shape, window)

    def get_anchors(self, image_shape: Sequence[int]) -> np.ndarray:
        """Anchors `(A, 4)` of an image shape, normalised; in pixels they are kept as `anchors`."""
        self.anchors = config_anchors(self.config, image_shape)
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
        for name, tensor in outputs:
            if tensor is None:
                raise InputError(f"run_graph: {name!r} is None, not a tensor of keras_model")
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

    def _unmold(self, *arguments) -> dict[str, np.ndarray]:
        names = ("rois", "class_ids", "scores", "masks")
        return dict(zip(names, self.unmold_detections(*arguments), strict=True))
