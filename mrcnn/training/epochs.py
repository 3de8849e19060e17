"""From epochs to steps: a schedule that follows the number of training images; and back."""

from dataclasses import dataclass

from mrcnn.config import Config
from mrcnn.config_io import rescaled
from mrcnn.errors import InputError
from mrcnn.training.schedule import parse_schedule


@dataclass(frozen=True)
class EpochCount:
    """The epochs of a model that is trained by epochs, over all calls of `MaskRCNN.train`.

    Attributes:
        length: Steps of an epoch.
        start: Global step from which this holds.
        before: Epochs that were done then.
        beyond: Steps of the next epoch that were done then.
    """

    length: int
    start: int
    before: int
    beyond: int

    def at(self, step: int) -> tuple[int, int]:
        """Epochs that are done at a global step, and steps of the next one.

        >>> EpochCount(length=10, start=30, before=3, beyond=0).at(45)
        (4, 5)
        """
        epochs, beyond = divmod(self.beyond + step - self.start, self.length)
        return self.before + epochs, beyond


def steps_per_epoch(config: Config, images: int) -> int:
    """Steps in which a batch at a time shows all images."""
    return -(-images // config.BATCH_SIZE)


def in_steps(config: Config, images: int) -> Config:
    """The configuration with all that depends on the data worked out; a second call changes
    nothing.

    With `SCHEDULE_UNIT` "epochs" the stages get their numbers of steps, `STEPS_PER_EPOCH` that of
    one pass over the images, and the warm-up is at most a tenth of all steps. With
    `LEARNING_RATE_BATCH` the rates are multiplied by the batch size over it (Goyal et al., arXiv
    1706.02677: the rate is proportional to the batch size).

    Args:
        config: The configuration.
        images: Number of training images.

    Raises:
        InputError: There is no image, or a bad schedule.
    """
    if config.SCHEDULE_UNIT == "epochs":
        if images < 1:
            raise InputError("a schedule in epochs needs at least one training image, got none")
        epoch = steps_per_epoch(config, images)
        stages = parse_schedule(config.SCHEDULE)
        total = sum(stage.steps for stage in stages) * epoch
        config = config.update(
            SCHEDULE=[(s.layers, s.steps * epoch, s.learning_rate) for s in stages],
            SCHEDULE_UNIT="steps",
            STEPS_PER_EPOCH=epoch,
            WARMUP_STEPS=min(config.WARMUP_STEPS, total // 10),
        )
    if config.LEARNING_RATE_BATCH is not None:
        factor = config.BATCH_SIZE * config.ACCUMULATE / config.LEARNING_RATE_BATCH
        config = config.update(
            SCHEDULE=rescaled(config.SCHEDULE, config.SCHEDULE[0][2] * factor),
            LEARNING_RATE_BATCH=None,
        )
    return config


def with_epochs(config: Config, epochs: int) -> Config:
    """The configuration with a schedule of `epochs` epochs, in which every stage has the share that
    it had, and at least one epoch. Where there are more stages than epochs, the longest are kept.

    Raises:
        InputError: `epochs` is below 1.
    """
    if epochs < 1:
        raise InputError(f"a training takes at least 1 epoch, got {epochs}")
    stages = parse_schedule(config.SCHEDULE)
    by_length = sorted(range(len(stages)), key=lambda index: -stages[index].steps)
    stages = [stages[index] for index in sorted(by_length[:epochs])]
    shares = _divided(epochs, [stage.steps for stage in stages])
    return config.update(
        SCHEDULE=[(s.layers, n, s.learning_rate) for s, n in zip(stages, shares, strict=True)],
        SCHEDULE_UNIT="epochs",
    )


def _divided(total: int, weights: list[int]) -> list[int]:
    """Whole numbers of at least 1 that add up to `total`, each as near to its share as they can."""
    exact = [total * weight / sum(weights) for weight in weights]
    parts = [1] * len(weights)
    for _ in range(total - len(weights)):
        missing = [share - part for share, part in zip(exact, parts, strict=True)]
        parts[missing.index(max(missing))] += 1
    return parts
