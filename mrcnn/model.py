"""`MaskRCNN`: the one object that most users need, as in the original."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mrcnn.backend import has_accelerator, jit_compile, seeded_weights
from mrcnn.compat.generators import DataGenerator, data_generator
from mrcnn.compat.inspection import Inspection, as_result
from mrcnn.compat.keras_models import InferenceModel, TrainingModel
from mrcnn.compat.loading import build_rpn_targets, load_image_gt, log
from mrcnn.compat.moved import moved_name
from mrcnn.compat.random_rois import build_detection_targets, generate_random_rois
from mrcnn.compat.removed import warn_of_build
from mrcnn.compat.run_folder import RunFolder
from mrcnn.config import Config
from mrcnn.config_io import plain_settings, save_config
from mrcnn.data.checks.learnable import refuse_nothing
from mrcnn.data.checks.pixels import with_range
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.image import compose_image_meta, mold_image, parse_image_meta, unmold_image
from mrcnn.data.pipeline.detections import mold_alike
from mrcnn.data.pipeline.loader import Loader
from mrcnn.data.transforms.random_augmentation import RandomAugmentation
from mrcnn.edge import edge_losses
from mrcnn.errors import InputError
from mrcnn.model_weights import ModelWeights
from mrcnn.modeling.anchors import compute_backbone_shapes
from mrcnn.modeling.detection import DetectionRunner
from mrcnn.modeling.network import Network
from mrcnn.training.epochs import in_steps
from mrcnn.training.frozen import RandomStart, describe_frozen
from mrcnn.training.loop import Outcome, Trainer
from mrcnn.training.optimizer import make_optimizer
from mrcnn.training.schedule import Stage, parse_schedule, set_trainable

MODES = ("training", "inference")


class MaskRCNN(ModelWeights, Inspection, RunFolder):
    """Mask R-CNN with the API of matterport/Mask_RCNN.

    Args:
        mode: "training" or "inference".
        config: The configuration.
        model_dir: Folder in which a run makes its own folder for checkpoints and logs.

    Attributes:
        keras_model: The Keras model of `mode` for `config.IMAGE_SHAPE`.
        log_dir: Folder of the run, which exists in training mode.
        epoch: Epochs that are done.

    Raises:
        InputError: No such mode, backbone or filter, or settings that do not fit together.
    """

    def __init__(self, mode: str, config: Config, model_dir: str | Path):
        if mode not in MODES:
            raise InputError(f"mode is 'training' or 'inference', got {mode!r}")
        warn_of_build(type(self), MaskRCNN)
        config.check()
        self.mode = mode
        self.config = config
        self.model_dir = model_dir  # type: ignore[assignment]
        has_accelerator()  # before the first operation looks for devices, and reports on it
        self.network = Network(config, edge_losses(config), InferenceModel, TrainingModel)
        build = self.network.training if mode == "training" else self.network.inference
        with seeded_weights(config.SEED):
            self.keras_model = build(tuple(config.IMAGE_SHAPE.tolist()))
        if mode == "inference":
            self.keras_model.of_size = self.network.inference
        self.random_start = RandomStart(self.network)
        self.set_log_dir()
        self._detect = DetectionRunner(self.network)
        if config.BACKBONE_WEIGHTS and mode == "training":
            self.load_backbone(config.BACKBONE_WEIGHTS)

    def compile(self, learning_rate: float, momentum: float) -> None:
        """Make `keras_model.train_on_batch` ready for use; `train` and `run` do it themselves."""
        optimizer = make_optimizer(
            self.config.update(LEARNING_MOMENTUM=float(momentum)), learning_rate
        )
        self.keras_model.compile(optimizer=optimizer, jit_compile=jit_compile())

    def set_trainable(
        self,
        layer_regex: str,
        keras_model: keras.Model | None = None,
        indent: int = 0,
        verbose: int = 1,
    ) -> None:
        """Choose the layers that learn: "heads", "3+", "4+", "5+", "all" or a regular expression of
        layer names.

        Args:
            layer_regex: What learns; everything else is frozen.
            keras_model: None or `keras_model`: the layers are those of the whole network.
            indent: For the original's calls; without effect.
            verbose: Print how many weights learn.

        Raises:
            InputError: No layer matches, or another model is given.
        """
        if keras_model not in (None, self.keras_model):
            raise InputError("set_trainable works on the whole network: leave out keras_model")
        count = set_trainable(self.network, layer_regex)
        if verbose:
            print(f"layers {layer_regex}: {count} weights learn")

    def train(
        self,
        train_dataset: Dataset,
        val_dataset: Dataset | None,
        learning_rate: float,
        epochs: int,
        layers: str,
        augmentation: Any = None,
        custom_callbacks: Sequence[keras.callbacks.Callback] | None = None,
        no_augmentation_sources: Sequence[str] | None = None,
        *,
        workers: int = 0,
    ) -> Outcome:
        """Train up to epoch `epochs`, counted over all calls, of `STEPS_PER_EPOCH` steps each.

        Args:
            train_dataset: A prepared dataset.
            val_dataset: For validation losses after every epoch, or None.
            learning_rate: Learning rate.
            epochs: Total epochs after this call; those that a callback cuts short count as done.
                Where so many are done already, nothing is trained.
            layers: See `set_trainable`.
            augmentation: An imgaug augmenter or a callable, see `mrcnn.data.transforms.custom`.
            custom_callbacks: Called as in `fit` of Keras.
            no_augmentation_sources: Sources of the dataset whose images are not augmented.
            workers: Processes that load images; 0 uses threads.

        Raises:
            InputError: Not in training mode, bad data, or a loss that is not finite.
        """
        if epochs <= self.epoch:
            print(f"{self.epoch} epochs are done, so nothing is left of these {epochs}")
            return Outcome(sum(stage.steps for stage in self._stages), None, None)
        self._work_out_steps(train_dataset)
        done = sum(stage.steps for stage in self._stages)
        count = self._epoch_count(done)
        steps = max(1, (epochs - self.epoch) * count.length - self._beyond)
        stages = [*self._stages, *parse_schedule([(layers, steps, learning_rate)])]
        if fault := describe_frozen(self.random_start, stages[-1:]):
            print(f"warning: {fault}; load_weights or load_backbone first, or train all layers")
        outcome = self.run(
            train_dataset,
            val_dataset,
            stages,
            start=done,
            state={"epochs": asdict(count)},
            workers=workers,
            augmentation=augmentation,
            custom_callbacks=custom_callbacks,
            no_augmentation_sources=no_augmentation_sources,
        )
        if outcome.step > done:
            self._stages.append(Stage(layers, outcome.step - done, learning_rate))
        if outcome.signal is None:
            self.epoch, self._beyond = epochs, 0
        else:
            self.epoch, self._beyond = count.at(outcome.step)
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
        custom_callbacks: Sequence[keras.callbacks.Callback] | None = None,
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
                configuration: see `mrcnn.data.pipeline.loader.Loader`.
            custom_callbacks: As for `train`.
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
        refuse_nothing(train_dataset, "the dataset", "to learn from")
        self._work_out_steps(train_dataset)
        self.config = with_range(self.config, train_dataset)
        if self.config.CLASS_NAMES is None:
            self.config.CLASS_NAMES = list(train_dataset.class_names)
        loader = Loader(
            train_dataset,
            self.config,
            flip=self.config.FLIP,
            workers=workers,
            random_augmentation=RandomAugmentation.of(self.config),
            augmentation=augmentation,
            no_augmentation_sources=no_augmentation_sources,
        )
        validation = None
        if val_dataset is not None and len(val_dataset.image_ids):
            validation = Loader(val_dataset, self.config, shuffle=False, flip=False)
        folder, history = Path(self.log_dir), keras.callbacks.History()
        folder.mkdir(parents=True, exist_ok=True)
        save_config(self.config, folder / "config.yaml")
        callbacks = [*(custom_callbacks or ()), history]
        trainer = Trainer(self.network, self.config, stages, folder, quiet, callbacks)
        steps = [[stage.layers, stage.steps, stage.learning_rate] for stage in stages]
        state = {**(state or {}), "stages": steps, "settings": plain_settings(self.config)}
        outcome = trainer.run(loader, validation, start=start, resume=resume, state=state)
        # Of the model of `keras_model`, whatever sizes the batches had.
        self.keras_model.history = history
        return outcome

    def _work_out_steps(self, dataset: Dataset) -> None:
        by_data = self.config.SCHEDULE_UNIT == "epochs"
        self.config = in_steps(self.config, len(dataset.image_ids) if by_data else 0)

    def detect(
        self, images: Sequence[np.ndarray], verbose: int = 0, *, masks: str = "full"
    ) -> list[dict[str, Any]]:
        """Find objects.

        Images that follow each other and have one size once they are molded go through the network
        together, up to `IMAGES_PER_GPU * GPU_COUNT` at a time.

        Args:
            images: RGB images `(H, W, C)` of any sizes.
            verbose: Print the sizes.
            masks: "full" for arrays, or "rle" for COCO's run-length encodings, ready for JSON,
                which are computed inside their boxes alone.

        Returns:
            For each image a dict of `rois` `(N, 4)` int32 pixels, `class_ids` `(N,)` int32,
            `scores` `(N,)` float32 and `masks` `(H, W, N)` bool, or a list of N encodings; highest
            score first.

        Raises:
            InputError: Not in inference mode, an image of the wrong shape, or another `masks`.
        """
        if self.mode != "inference":
            raise InputError("detect needs a model made with mode='inference'")
        if masks not in ("full", "rle"):
            raise InputError(f"masks must be 'full' or 'rle', got {masks!r}")
        results = []
        for molded, metas, windows in mold_alike(images, self.config):
            self._molded_shape = molded.shape[1:]
            if verbose:
                for image, window in zip(images[len(results) :], windows, strict=False):
                    print(f"image {image.shape}, molded {molded.shape}, window {window.tolist()}")
            for found in zip(*self._detect(molded, metas), windows, strict=True):
                shape = images[len(results)].shape
                results.append(
                    as_result(self._unmold(*found[:2], shape, molded.shape[1:], found[2]), masks)
                )
        return results


__all__ = [
    "DataGenerator",
    "MaskRCNN",
    "build_detection_targets",
    "build_rpn_targets",
    "compose_image_meta",
    "compute_backbone_shapes",
    "data_generator",
    "edge_losses",
    "generate_random_rois",
    "load_image_gt",
    "log",
    "mold_image",
    "parse_image_meta",
    "unmold_image",
]


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
