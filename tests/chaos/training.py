"""A tiny training as a program of its own, which may kill itself at a place that is named.

python training.py DATASET CONFIG RUN [--kill PLACE N] [-- further options of `mrcnn train`]

PLACE is one of

    write     before the N-th file gets its name
    written   after it
    row       in the middle of the N-th row of a log
    validate  at the N-th batch of a validation
    stage     at the start of the N-th stage
    batch     before the N-th step
    worker    at the start of the N-th process that loads images
"""

import os
import signal
import sys

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
import keras

from mrcnn.cli.app import run
from mrcnn.data.pipeline import workers
from mrcnn.files import rows, writing
from mrcnn.training import loop


def main(arguments):
    at = arguments.index("--") if "--" in arguments else len(arguments)
    (dataset, config, folder, *kill), more = arguments[:at], arguments[at + 1 :]
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)
    if kill:
        PLACES[kill[1]](Countdown(int(kill[2])))
    started = [] if "--resume" in more else ["--config", config, "--weights", "none"]
    return run(["train", dataset, *started, "--logs", folder, "--quiet", "--no-report", *more])


class Countdown:
    """Kills the process when it is called for the N-th time."""

    def __init__(self, count):
        self.count = count

    def __call__(self):
        self.count -= 1
        if self.count == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def write(kill):
    settle = writing.settle

    def killed(part, path):
        kill()
        settle(part, path)

    writing.settle = killed


def written(kill):
    settle = writing.settle

    def killed(part, path):
        settle(part, path)
        kill()

    writing.settle = killed


def row(kill):
    """Half of a row reaches the file."""

    class Torn:
        def __init__(self, file):
            self._file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._file.close()

        def __getattr__(self, name):
            return getattr(self._file, name)

        def write(self, content):
            half = self._file.write(content[: len(content) // 2])
            kill()
            return half + self._file.write(content[half:])

    def torn(*args, **options):
        return Torn(open(*args, **options))

    rows.open = torn


def validate(kill):
    step = keras.Model.test_on_batch

    def killed(self, *args, **options):
        kill()
        return step(self, *args, **options)

    keras.Model.test_on_batch = killed


def stage(kill):
    begin = loop.Trainer._begin

    def killed(self, *args):
        kill()
        begin(self, *args)

    loop.Trainer._begin = killed


def batch(kill):
    step = keras.Model.train_on_batch

    def killed(self, *args, **options):
        kill()
        return step(self, *args, **options)

    keras.Model.train_on_batch = killed


def worker(kill):
    begin = workers._Worker.__init__

    def killed(self, *args):
        begin(self, *args)
        kill()

    workers._Worker.__init__ = killed


PLACES = {
    "write": write,
    "written": written,
    "row": row,
    "validate": validate,
    "stage": stage,
    "batch": batch,
    "worker": worker,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
