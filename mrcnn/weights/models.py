"""Keras models that read and write weight files as those of the original do."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
from pathlib import Path
from typing import Any

import keras

from mrcnn.errors import InputError
from mrcnn.modeling.losses import TrainingModel
from mrcnn.weights.loading import load_weights, save_weights, weighted_layers


class WeightFiles:
    """Mixed into a functional model: its weight files have the original's layout.

    Keras 3 alone would take no name but `*.weights.h5`, and would store weights by position. A
    model is never stored as a whole: its layers share weights and settings that a file of Keras
    cannot name.
    """

    def save(self, filepath: str | Path, *args: Any, **kwargs: Any) -> None:
        """Refuse to write model and weights into one file, and say what to use.

        Raises:
            InputError: Always.
        """
        raise _no_whole_model(f"save({str(filepath)!r})")

    def get_config(self) -> dict[str, Any]:
        """Refuse the same to `keras.saving.save_model` and to `keras.models.clone_model`.

        Raises:
            InputError: Always.
        """
        raise _no_whole_model("get_config()")

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
            by_name: Leave weights as they are that the file lacks. They are always matched by name.
            skip_mismatch: Leave those as they are, too, that the file has in another shape.
            kwargs: For calls of Keras; without effect.

        Raises:
            InputError: The file cannot be read or does not fit; nothing is loaded then.
        """
        layers = weighted_layers(self)
        load_weights(layers, filepath, strict=not skip_mismatch, complete=not by_name)


def _no_whole_model(call: str) -> InputError:
    return InputError(
        f"keras_model.{call}: this model is not stored with its layers; write its weights by "
        'save_weights("x.h5"), which MaskRCNN(mode, config, model_dir).load_weights reads, or a '
        'SavedModel that runs without this package by keras_model.export("folder")'
    )


class MaskModel(WeightFiles, keras.Model):
    """The model that detects."""


class MaskTrainingModel(WeightFiles, TrainingModel):
    """The model that computes losses."""
