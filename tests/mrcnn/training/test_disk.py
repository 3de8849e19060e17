from collections import namedtuple

import keras
import pytest

from mrcnn.config import Config
from mrcnn.errors import InputError
from mrcnn.modeling.network import Network
from mrcnn.training import disk
from mrcnn.training.checkpoint import save_checkpoint
from mrcnn.training.disk import DiskUse, check_disk, disk_use, in_bytes
from mrcnn.training.optimizer import make_optimizer
from mrcnn.training.schedule import Stage
from mrcnn.weights.loading import save_weights, weighted_layers

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def model(tiny_settings):
    wide = {"FPN_CLASSIF_FC_LAYERS_SIZE": 256, "EDGE_LOSS_FILTERS": []}
    return Network(Config().update(**{**tiny_settings, **wide})).training((64, 64))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_files_are_as_large_as_was_said(model, tmp_path, optimizer):
    config = Config().update(OPTIMIZER=optimizer)
    use = disk_use(model, config, [Stage("all", 10, 0.1)])
    save_weights(weighted_layers(model), tmp_path / "final.h5")
    made = make_optimizer(config, 0.1)
    made.build(model.trainable_variables)
    save_checkpoint(tmp_path / "checkpoint.h5", model, made, {"step": 1})
    # Names and headers come on top, some hundred bytes a weight.
    for path, said in (("final.h5", use.final), ("checkpoint.h5", use.checkpoint)):
        assert said <= (tmp_path / path).stat().st_size < 1.2 * said


@pytest.mark.parametrize(
    ("stages", "epoch", "kept"),
    [
        ([("all", 1000)], 10, 3),
        ([("heads", 1000), ("4+", 1000), ("all", 1000)], 10, 5),
        ([("all", 9)], 10, 1),
    ],
)
def test_the_number_of_checkpoints_is_bounded(model, stages, epoch, kept):
    config = Config().update(STEPS_PER_EPOCH=epoch)
    use = disk_use(model, config, [Stage(layers, steps, 0.1) for layers, steps in stages])
    assert use.checkpoints == kept
    assert use.total == use.final + (kept + 1) * use.checkpoint + disk.REST


def test_a_disk_that_is_too_small_is_refused(tmp_path, monkeypatch):
    use = DiskUse(final=30_000_000, checkpoint=60_000_000, checkpoints=3)
    asked = []

    def usage(path, free=320_000_000):
        asked.append(path)
        return Usage(0, 0, free)

    monkeypatch.setattr(disk.shutil, "disk_usage", usage)
    folder = tmp_path / "new" / "run"
    line = check_disk(use, folder, "x")
    assert asked == [tmp_path] and not folder.parent.exists()
    assert line == (
        "disk: at most 320 MB: up to 3 checkpoints of 60 MB and final.h5 of 30 MB; 320 MB are free"
    )
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage(path, 319_000_000))
    with pytest.raises(InputError, match=r"319 MB free, and the run takes at most 320 MB.*--logs"):
        check_disk(use, folder, "x")
    # What a run that goes on has written already is not needed again.
    folder.mkdir(parents=True)
    (folder / "mask_rcnn_other_0000001.h5").write_bytes(bytes(1_000_000))
    with pytest.raises(InputError, match="319 MB free"):
        check_disk(use, folder, "x")
    (folder / "mask_rcnn_x_0000001.h5").write_bytes(bytes(1_000_000))
    check_disk(use, folder, "x")


@pytest.mark.parametrize(
    ("count", "text"),
    [(999, "999 B"), (61_500_000, "62 MB"), (2_340_000_000, "2.3 GB"), (999_700_000, "1.0 GB")],
)
def test_bytes_in_words(count, text):
    assert in_bytes(count) == text


def test_keras_agrees_on_the_number_of_slots():
    """Beside the rate and the count of steps, and of AdamW nothing else."""
    weights = [keras.Variable(keras.ops.zeros((3,)))]
    for name, slots in disk.SLOTS.items():
        optimizer = make_optimizer(Config().update(OPTIMIZER=name), 0.1)
        optimizer.build(weights)
        assert sum(tuple(v.shape) == (3,) for v in optimizer.variables) == slots
