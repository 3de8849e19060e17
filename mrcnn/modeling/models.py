"""The Keras models of the network, which read and write weight files as those of the original do,
and the tensors inside of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from mrcnn.errors import InputError
from mrcnn.modeling.weights import load_weights, save_weights, weighted_layers


class MaskModel(keras.Model):
    """A functional model whose weight files have the original's layout.

    Keras 3 alone would take no name but `*.weights.h5`, and would store weights by position.
    """

    def save_weights(self, filepath: str | Path, overwrite: bool = True, **kwargs: Any) -> None:
        """Write the original's layout, or that of Keras 3 for `*.weights.h5`.

        Raises:
            InputError: The file exists and may not be overwritten.
        """
        if str(filepath).endswith(".weights.h5"):
            super().save_weights(filepath, overwrite=overwrite, **kwargs)
            return
        if not overwrite and Path(filepath).exists():
            raise InputError(f"{filepath} exists already")
        save_weights(weighted_layers(self), filepath)

    def load_weights(
        self,
        filepath: str | Path,
        by_name: bool = False,
        skip_mismatch: bool = False,
        **kwargs: Any,
    ) -> None:
        """Load a weight file of any layout, by name, as `MaskRCNN.load_weights` does.

        Args:
            filepath: The weight file.
            by_name: For the original's calls; weights are always matched by name.
            skip_mismatch: Leave weights as they are that the file lacks, or has in another shape.
            kwargs: For calls of Keras; without effect.

        Raises:
            InputError: The file cannot be read or does not fit; nothing is loaded then.
        """
        load_weights(weighted_layers(self), filepath, strict=not skip_mismatch)


class TrainingModel(MaskModel):
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
