"""Which images make the batch of a step: a pure function of the seed and the step."""

from collections.abc import Hashable, Sequence
from copy import copy
from functools import lru_cache

import numpy as np


class BatchSampler:
    """Deals images out to batches so that all images of a batch have the same shape.

    An epoch shows every image. Where the images of a shape do not fill their last batch, it is
    completed with the first ones of the same shape; so every epoch has the same number of steps.

    Args:
        shapes: For each image, what those of one batch have in common.
        batch_size: Images in a batch, at least 1.
        shuffle: A new order of images and of batches in every epoch; otherwise images keep their
            order, and batches are ordered by their first image.
        seed: Of the order.
        shard: Index and count of the equal parts that a batch is cut into, `batch` returns one; the
            parts of all indices, in their order, are the batch.
    """

    def __init__(
        self,
        shapes: Sequence[Hashable],
        batch_size: int,
        shuffle: bool,
        seed: int,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        numbers: dict[Hashable, int] = {}
        self._group = np.array([numbers.setdefault(s, len(numbers)) for s in shapes], np.int64)
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._seed = seed
        self._order: tuple[int, ...] = ()
        index, count = shard
        share = batch_size // count
        self._share = slice(index * share, (index + 1) * share)
        counts = np.bincount(self._group)
        self._steps = int(np.sum(-(-counts // batch_size)))
        self._epoch = lru_cache(maxsize=2)(self._deal)

    def __len__(self) -> int:
        """Steps in an epoch."""
        return self._steps

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_epoch"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._epoch = lru_cache(maxsize=2)(self._deal)

    def reordered(self, order: int) -> "BatchSampler":
        """Return a sampler of the same images that shuffles them otherwise; with 0 as this one."""
        other = copy(self)
        other._order = (order,) if order else ()
        other._epoch = lru_cache(maxsize=2)(other._deal)
        return other

    def batch(self, step: int) -> tuple[int, np.ndarray]:
        """Return the epoch of a global step, and the positions of the images of its batch: all (B,)
        or those of the shard.
        """
        epoch, index = divmod(step, self._steps)
        return epoch, self._epoch(epoch if self._shuffle else 0)[index, self._share]

    def _deal(self, epoch: int) -> np.ndarray:
        """Return the positions (steps, B) of all batches of an epoch."""
        rng = np.random.default_rng([self._seed, epoch, *self._order])
        count = len(self._group)
        order = rng.permutation(count) if self._shuffle else np.arange(count)
        batches = []
        for group in range(self._group.max() + 1):
            members = order[self._group[order] == group]
            steps = -(-len(members) // self._batch_size)
            batches.append(np.resize(members, (steps, self._batch_size)))
        dealt = np.concatenate(batches)
        return rng.permutation(dealt) if self._shuffle else dealt[np.argsort(dealt[:, 0])]
