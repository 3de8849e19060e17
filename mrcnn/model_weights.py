"""Weights of a `MaskRCNN` from files, and into them."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import keras

from mrcnn.compat.keras_models import RPN_MODEL
from mrcnn.config import Config
from mrcnn.constants import CLASS_LAYERS, RPN_LAYERS
from mrcnn.data.coco_names import COCO_IDS
from mrcnn.errors import InputError
from mrcnn.hub.words import BACKBONE_NAMES, MODEL_NAMES
from mrcnn.training.checkpoint import checkpoint_name, epochs_in_name, is_checkpoint
from mrcnn.training.naming import safe_name
from mrcnn.training.schedule import HEADS
from mrcnn.weights.any_file import open_any
from mrcnn.weights.loading import (
    LoadReport,
    assign_weights,
    save_weights,
    to_numpy,
    weighted_layers,
)
from mrcnn.weights.published import differences, is_rescaled, prepared, rescaled_variance

# How layers of networks like this one are called.
OURS = re.compile(rf"{HEADS.pattern}|res\d.*|bn\d.*|conv1|bn_conv1")


def unknown_layers(report: LoadReport) -> str:
    """The layers of a file that belong to a network like this one and that the model has not, in
    words; empty if there are none.
    """
    layers = dict.fromkeys(entry.partition("/")[0] for entry in report.unused)
    names = [layer for layer in layers if OURS.fullmatch(layer)]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


class ModelWeights:
    """Mixed into `MaskRCNN`, whose network it fills."""

    mode: str
    config: Config
    keras_model: keras.Model
    epoch: int
    log_dir: Any
    set_log_dir: Any

    def layers(self) -> dict[str, list[keras.Variable]]:
        """Variables by layer name, as weight files have them."""
        return weighted_layers(self.keras_model)

    def load_weights(
        self,
        filepath: str | Path,
        by_name: bool = False,
        exclude: Sequence[str] | None = None,
        *,
        strict: bool = True,
        verbose: bool = True,
    ) -> LoadReport:
        """Load a weight file or a checkpoint, and print what was loaded.

        In training mode, `train` goes on with the run that a checkpoint is of, as with
        `set_log_dir`, unless the run has another name, layers are excluded, or classes or channels
        are others.

        With `by_name` a file may lack weights, such as ImageNet weights those of the heads: they
        are in the report, and stay as they are.

        In training mode the layers of the classes stay as they are where the file has other
        classes, and the first convolution of a ResNet is spread over another number of channels:
        the report says so. A file without heads is loaded into the backbone.

        Args:
            filepath: HDF5 file in the original's layout, of Keras 3 or of `keras.applications`, a
                `.keras` archive, or a state dict of torchvision (`.pth`, `.safetensors`, `.npz`);
                or the name of published weights: "imagenet", "coco", "torchvision"..., which are
                fetched at their first use.
            by_name: Take a file that lacks weights; they are always matched by name.
            exclude: Layers to leave as they are, such as those that depend on the number of
                classes.
            strict: Raise when a weight of the model is missing or has another shape.
            verbose: Print the report.

        Raises:
            InputError: The file cannot be had or read, or does not fit; nothing is loaded then.
        """
        if filepath in (*BACKBONE_NAMES, *MODEL_NAMES):
            filepath = self._published(str(filepath), verbose)
        elif verbose:
            self._note(str(filepath))
        named = [exclude] if isinstance(exclude, str) else list(exclude or ())
        if RPN_MODEL in named:
            named = [*(name for name in named if name != RPN_MODEL), *RPN_LAYERS]
        weightless = {layer.name for layer in self.keras_model.layers} - set(self.layers())
        named_here = [name for name in named if name not in weightless]
        layers, anew = self.layers(), ""
        with self._opened(filepath, layers) as found:
            if not by_name and not any(HEADS.fullmatch(layer) for layer in found):
                if named:
                    raise InputError(
                        f"--exclude is for whole models: {filepath} holds a backbone alone"
                    )
                layers = self._backbone_layers()
                anew = f"{filepath} holds a backbone alone; the heads start anew"
            report = assign_weights(
                layers,
                found,
                str(filepath),
                named_here,
                strict,
                complete=not by_name,
                adapt=self.mode == "training",
            )
        self._rescale(report)
        left = {entry.partition("/")[0] for entry in report.excluded} - set(named_here)
        others = [name for name in CLASS_LAYERS if name in left]
        if verbose:
            print(f"{anew or filepath}\n{report}")
            if others:
                print(f"the file has other classes: their layers start anew: {', '.join(others)}")
            if beyond := unknown_layers(report):
                print(f"warning: the model has no layers {beyond}: is it another network?")
            if report.missing:
                print(f"{len(report.missing)} weights are not in the file: they stay as they are")
        name = safe_name(self.config.NAME or "model")
        fitted = named or others or report.inflated
        own = safe_name(checkpoint_name(filepath) or "") == name and not fitted
        known = is_checkpoint(filepath) or epochs_in_name(filepath) is not None
        if self.mode == "training" and own and known:
            self.set_log_dir(filepath)
            if verbose and self.epoch:
                print(f"training goes on after epoch {self.epoch} in {self.log_dir}")
        return report

    def load_backbone(self, filepath: str | Path) -> LoadReport:
        """Load the backbone alone, such as ImageNet weights of a `keras.applications` network.

        Args:
            filepath: A weight file, or the name of published weights, such as "imagenet" for those
                of `config.BACKBONE`.

        Raises:
            InputError: The file cannot be had or read, or a weight of the backbone is missing or
                has another shape.
        """
        if filepath in (*BACKBONE_NAMES, *MODEL_NAMES):
            filepath = self._published(str(filepath), verbose=True)
        else:
            self._note(str(filepath))
        layers, adapt = self._backbone_layers(), self.mode == "training"
        with self._opened(filepath, layers) as found:
            report = assign_weights(layers, found, str(filepath), adapt=adapt)
        self._rescale(report)
        return report

    def _published(self, name: str, verbose: bool) -> Path:
        """Fetch weights that have a name, and say where this network computes otherwise."""
        path = prepared(name, self.config, verbose=verbose)
        if verbose:
            self._note(name)
        return path

    def _note(self, weights: str) -> None:
        if words := differences(weights, self.config):
            print(f"note: {weights} weights were trained with {words}")

    def _opened(self, path: str | Path, layers: Any) -> AbstractContextManager:
        return open_any(path, layers, self._has_gaps(), self.config.NORM_EPSILON)

    def _rescale(self, report: LoadReport) -> None:
        """Let an EfficientNet see what its ImageNet weights of Keras were trained on."""
        name = "normalization/variance"
        if is_rescaled(str(self.config.BACKBONE)) and name in report.loaded:
            for variable in self.layers()["normalization"]:
                if variable.name == "variance":
                    variable.assign(rescaled_variance(to_numpy(variable)))

    def _backbone_layers(self) -> dict[str, list[keras.Variable]]:
        return {name: v for name, v in self.layers().items() if not HEADS.fullmatch(name)}

    def _has_gaps(self) -> bool:
        """Whether the classes are all numbers of COCO, as in torchvision's own models."""
        return int(self.config.NUM_CLASSES) == max(COCO_IDS) + 1

    def save_weights(self, filepath: str | Path) -> None:
        """Write the weights in the original's layout."""
        save_weights(self.layers(), filepath)
