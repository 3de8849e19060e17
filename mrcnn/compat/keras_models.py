"""The Keras models of `mrcnn.model.MaskRCNN`, which also take what those of the original take."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from mrcnn.constants import RPN_LAYERS
from mrcnn.errors import InputError
from mrcnn.weights.models import MaskModel, MaskTrainingModel

RPN_MODEL = "rpn_model"
# Arguments of `fit` in earlier versions of Keras, about how batches are loaded.
LOADING = ("workers", "use_multiprocessing", "max_queue_size")


class RPNLayers(keras.layers.Layer):
    """The layers of the region proposal network under the one name that they have in the original.

    Call arguments:
        feature_map: `(B, h, w, C)`.

    Returns:
        As in the original: logits `(B, A, 2)`, probabilities `(B, A, 2)` and deltas `(B, A, 4)`.
    """

    def __init__(self, layers: Sequence[keras.layers.Layer]):
        super().__init__(name=RPN_MODEL)
        self.parts = list(layers)
        self.built = True  # they are, in the network

    def call(self, feature_map):
        shared, classes, boxes = self.parts
        x = shared(feature_map)
        logits = keras.ops.reshape(classes(x), (keras.ops.shape(x)[0], -1, 2))
        deltas = keras.ops.reshape(boxes(x), (keras.ops.shape(x)[0], -1, 4))
        return logits, keras.ops.softmax(logits), deltas


class OriginalNames:
    """Mixed into a model: `get_layer` knows the name `rpn_model`."""

    def get_layer(self, name: str | None = None, index: int | None = None) -> keras.layers.Layer:
        """As in Keras."""
        if name == RPN_MODEL:
            layers = {layer.name: layer for layer in self._flatten_layers()}
            return RPNLayers([layers[part] for part in RPN_LAYERS])
        return super().get_layer(name, index)


class InferenceModel(OriginalNames, MaskModel):
    """The model that detects. It takes `[images, metas]`, and `[images, metas, anchors]` as in the
    original, where anchors are constants here; `predict` takes images of any size that the
    network can have.
    """

    # Makes the model of another size of the input.
    of_size: Callable[[tuple[int, ...]], keras.Model] | None = None

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(_without_anchors(inputs), *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """As in Keras."""
        x = _without_anchors(x)
        model = self._for(x)
        if model is not self:
            return model.predict(x, *args, **kwargs)
        return super().predict(x, *args, **kwargs)

    def predict_on_batch(self, x: Any) -> Any:
        """As in Keras."""
        x = _without_anchors(x)
        model = self._for(x)
        return super().predict_on_batch(x) if model is self else model.predict_on_batch(x)

    def _for(self, x: Any) -> keras.Model:
        if self.of_size is None or not isinstance(x, list | tuple):
            return self
        shape = tuple(np.shape(x[0])[1:])
        return self if shape == tuple(self.inputs[0].shape[1:]) else self.of_size(shape)


class TrainingModel(OriginalNames, MaskTrainingModel):
    """The model that computes losses. `fit` and others take what `data_generator` and
    `DataGenerator` of `mrcnn.model` make, beside dicts of its inputs. Their RPN targets are left
    aside: the network has its own.
    """

    def train_on_batch(self, x: Any, y: Any = None, **kwargs: Any) -> Any:
        """As in Keras."""
        return super().train_on_batch(self._inputs_of(x), **kwargs)

    def test_on_batch(self, x: Any, y: Any = None, **kwargs: Any) -> Any:
        """As in Keras."""
        return super().test_on_batch(self._inputs_of(x), **kwargs)

    def fit(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
        """As in Keras."""
        if isinstance(x, Iterator):
            kwargs.setdefault("shuffle", False)  # Keras warns that it cannot
        if kwargs.get("validation_data") is not None:
            kwargs["validation_data"] = self._batches_of(kwargs["validation_data"])
        return super().fit(self._batches_of(x), **_without_loading(kwargs))

    def fit_generator(self, generator: Any, **kwargs: Any) -> Any:
        """As `fit`, under the name of earlier versions of Keras."""
        return self.fit(generator, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
        """As in Keras."""
        return super().evaluate(self._batches_of(x), **_without_loading(kwargs))

    def _batches_of(self, data: Any) -> Any:
        if isinstance(data, Iterator):
            return ((self._inputs_of(batch[0]),) for batch in data)
        if hasattr(data, "on_epoch_end") and not isinstance(data, keras.utils.PyDataset):
            return _Batches(data, self._inputs_of)
        return self._inputs_of(data[0] if isinstance(data, tuple) else data)

    def _inputs_of(self, batch: Any) -> Any:
        """The inputs by name from the list that a generator makes."""
        if not isinstance(batch, list | tuple):
            return batch
        if len(batch) < 7:
            raise InputError(
                "a batch of this model is a dict of its inputs, or the list of images, image_meta, "
                "rpn_match, rpn_bbox, gt_class_ids, gt_boxes, gt_masks that data_generator makes; "
                f"got {len(batch)} arrays"
            )
        images, metas, _, _, class_ids, boxes, masks, *rois = batch
        inputs = {
            "input_image": images,
            "input_image_meta": metas,
            "input_gt_class_ids": class_ids,
            "input_gt_boxes": boxes,
            "input_gt_masks": np.asarray(masks, np.uint8),
            "input_gt_has_mask": np.asarray(class_ids) != 0,
        }
        slots = {tensor.name: tensor.shape for tensor in self.inputs}.get("input_rois")
        if slots is not None:
            if not rois:
                raise InputError(
                    "without USE_RPN_ROIS a batch has RoIs: data_generator(random_rois=N)"
                )
            given = np.asarray(rois[0])[:, : slots[1]]
            inputs["input_rois"] = np.pad(given, ((0, 0), (0, slots[1] - given.shape[1]), (0, 0)))
        dtypes = {tensor.name: tensor.dtype for tensor in self.inputs}
        return {name: np.asarray(value, dtypes[name]) for name, value in inputs.items()}


class _Batches(keras.utils.PyDataset):
    """The batches of a `DataGenerator`, for Keras."""

    def __init__(self, source: Any, convert: Callable[[Any], Any]):
        super().__init__()
        self.source = source
        self.convert = convert

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Any]:
        return (self.convert(self.source[index][0]),)

    def on_epoch_end(self) -> None:
        self.source.on_epoch_end()


def _without_anchors(inputs: Any) -> Any:
    if isinstance(inputs, list | tuple) and len(inputs) == 3:
        return [np.asarray(inputs[0], np.float32), np.asarray(inputs[1], np.float32)]
    return inputs


def _without_loading(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in LOADING}
