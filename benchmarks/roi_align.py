"""Measure what RoIAlign takes in a training step: forward and backward, of both ways of sampling.

    python benchmarks/roi_align.py --size 800x1024 --batch 2 --rois 200

prints the median time of each and their paired ratio. Boxes and features are random; boxes are of
all sizes, so that all levels are read.
"""

import argparse
import statistics
import sys
from pathlib import Path

from mrcnn.errors import run_cli

sys.path.insert(0, str(Path(__file__).resolve().parent))

WAYS = {"crop": ("crop", "round", "inclusive"), "sampled": ("sampled", "floor", "continuous")}


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    from benchmark import parse_size

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="800x1024", metavar="HxW", help="(default: %(default)s)")
    for name, value in (("batch", 2), ("rois", 200), ("masks", 66), ("repeats", 15)):
        parser.add_argument(f"--{name}", type=int, default=value, help="(default: %(default)s)")
    args = parser.parse_args(argv)
    size = parse_size(args.size)
    from measure import measure, summary

    work = {name: step(size, args.batch, args.rois, args.masks, way) for name, way in WAYS.items()}
    timings = measure(work, args.repeats, 2, lambda: 1.0)
    for name, timing in timings.items():
        middle, cpu = (summary(x)["median"] for x in (timing.seconds, timing.cpu_seconds))
        print(f"{name}: {middle:.4f} s, {cpu:.4f} s of CPU")
    pairs = zip(timings["sampled"].seconds, timings["crop"].seconds, strict=True)
    print(f"sampled / crop: {statistics.median(a / b for a, b in pairs):.3f}")
    return 0


def step(size: tuple[int, int], batch: int, rois: int, masks: int, way: tuple[str, str, str]):
    """A function that pools for the class and box head and for the mask head, and takes the
    gradient at the features.
    """
    import keras
    import numpy as np
    from keras import ops
    from measure import wait_for

    from mrcnn.modeling.roi_align import RoIAlign

    shapes = [size, *((size[0] // stride, size[1] // stride) for stride in (4, 8, 16, 32))]
    rows = sum(height * width for height, width in shapes[1:])
    rng = np.random.default_rng(0)
    sides = 2.0 ** rng.uniform(-5, -0.3, (batch, rois, 2))
    corners = rng.uniform(0, 1, (batch, rois, 2)) * (1 - sides)
    boxes = np.concatenate([corners, corners + sides], axis=-1).astype("float32")
    layers = [RoIAlign(pool, shapes, *way) for pool in (7, 14)]

    class Pool(keras.Model):
        def __init__(self):
            super().__init__()
            self.features = self.add_weight(
                shape=(batch, rows, 256), initializer="random_normal", name="features"
            )

        def call(self, inputs):
            boxes_pooled = layers[0](inputs, self.features)
            masks_pooled = layers[1](inputs[:, :masks], self.features)
            return ops.reshape(ops.sum(boxes_pooled) + ops.sum(ops.square(masks_pooled)), (1, 1))

    model = Pool()
    model.compile(optimizer=keras.optimizers.SGD(1e-9), loss=lambda _, y: ops.mean(y))
    target = np.zeros((batch, 1), "float32")

    def run() -> None:
        wait_for(model.train_on_batch(boxes, target))

    return run


if __name__ == "__main__":
    sys.exit(run_cli(main))
