"""The Keras model that trains, and the tensors inside of a model."""

from collections.abc import Sequence
from typing import Any

import keras

from mrcnn.compat.moved import moved_name


class TrainingModel(keras.Model):
    """A model that reports those of its outputs that are losses.

    Metrics are updated here and not in `Losses`, because on JAX the updates of a metric inside a
    layer are lost.

    Args:
        loss_names: Names of the outputs to report.
    """

    def __init__(self, inputs: Any, outputs: Any, loss_names: Sequence[str], **kwargs: Any):
        super().__init__(inputs, outputs, **kwargs)
        self.loss_trackers = [keras.metrics.Mean(name=name) for name in loss_names]

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        for tracker in self.loss_trackers:
            tracker.update_state(y_pred[tracker.name])
        return super().compute_metrics(x, y, y_pred, sample_weight)


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


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
