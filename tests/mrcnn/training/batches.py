"""Batches without a dataset, for the tests of the loop."""

from copy import copy

from mrcnn.modeling.network import dummy_batch


class Batches:
    """The batch of a step is a function of the step; where the canvas is no square, odd ones are
    portrait.
    """

    def __init__(self, config, at=None, change=None):
        self.config, self.at, self.change = config, at or {}, change
        self.order = 0

    def __len__(self):
        return 4

    def reordered(self, order):
        other = copy(self)
        other.order = order
        return other

    def names(self, batch):
        return [str(int(meta[0])) for meta in batch["input_image_meta"]]

    def batches(self, start, count):
        return _Iterator(self, start, start + count)


class _Iterator:
    def __init__(self, source, step, stop):
        self.source, self.step, self.stop = source, step, stop

    def __iter__(self):
        return self

    def __next__(self):
        if self.step == self.stop:
            raise StopIteration
        shape = self.source.config.IMAGE_SHAPE[:2][:: -1 if self.step % 2 else 1]
        batch = dummy_batch(
            self.source.config, 2, shape, objects=2, seed=self.step + 100 * self.source.order
        )
        self.source.at.get(self.step, lambda: None)()
        if self.source.change:
            self.source.change(self.step, batch)
        self.step += 1
        return batch

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
