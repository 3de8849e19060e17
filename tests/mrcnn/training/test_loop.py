# Long because: all of its tests share the batches and networks that are made at its top.
import csv
import itertools
import json
import os
import shutil
import signal

import h5py
import keras
import numpy as np
import pytest

from mrcnn.config import LOSS_NAMES
from mrcnn.edge import edge_losses
from mrcnn.errors import InputError
from mrcnn.modeling.network import Network
from mrcnn.training import loop
from mrcnn.training.checkpoint import STATE, read_state, run_checkpoints
from mrcnn.training.loop import Trainer
from mrcnn.training.schedule import Stage
from mrcnn.weights.loading import read_weights, to_numpy
from tests.mrcnn.training.batches import Batches

pytestmark = pytest.mark.usefixtures("eager")
STAGES = [Stage("heads", 2, 0.01), Stage("all", 4, 0.01)]


@pytest.fixture
def config(tiny_config):
    return tiny_config


@pytest.fixture
def canvas(tiny_config):
    return tiny_config.update(IMAGE_RESIZE_MODE="canvas", IMAGE_MAX_DIM=96)


@pytest.fixture
def make(shared_network):
    """Make a trainer of a new network."""

    def trainer(config, folder, stages=STAGES, quiet=True, **kwargs):
        return Trainer(shared_network(config), config, stages, folder, quiet, **kwargs)

    return trainer


def weights(path):
    return {f"{a}/{b}": w for a, layer in read_weights(path).items() for b, w in layer.items()}


def optimizer_state(path):
    with h5py.File(path) as file:
        stored = file[f"{STATE}/optimizer"]
        return [stored[key][()] for key in sorted(stored)]


def test_a_stopped_run_goes_on_where_it_was(tmp_path, canvas, make):
    canvas = canvas.update(STEPS_PER_EPOCH=2)
    whole = make(canvas, tmp_path / "whole").run(Batches(canvas), Batches(canvas))
    assert (whole.step, whole.signal) == (6, None)

    stop = {4: lambda: os.kill(os.getpid(), signal.SIGTERM)}
    first = make(canvas, tmp_path / "parts").run(
        Batches(canvas, stop), Batches(canvas), state={"dataset": "here"}
    )
    assert first.signal == signal.SIGTERM
    assert 4 <= first.step < 6
    state = read_state(first.checkpoint)
    assert (state["dataset"], state["step"]) == ("here", first.step)

    second = make(canvas, tmp_path / "parts").run(
        Batches(canvas), Batches(canvas), resume=first.checkpoint
    )
    assert (second.step, second.signal) == (6, None)
    assert read_state(second.checkpoint)["run"] == state["run"]
    expected, found = weights(whole.checkpoint), weights(second.checkpoint)
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)

    with open(tmp_path / "whole" / "log.csv", newline="") as file:
        steps = [row["step"] for row in csv.DictReader(file) if row["split"] == "val"]
    assert steps == ["2", "4", "6"]
    assert logged(tmp_path / "parts") == logged(tmp_path / "whole")


def logged(folder):
    return (folder / "log.csv").read_bytes()


class EpochEnds(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append((epoch, logs))


@pytest.fixture
def hangup():
    """SIGHUP as in a terminal; under nohup it is to be ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup")
def test_stops_leave_no_trace(tmp_path, config, make):
    """Neither in the means of an unfinished interval or epoch, nor in the order of random numbers:
    three stops, within an interval, and twice within the same validation.
    """
    config = config.update(STEPS_PER_EPOCH=2, VALIDATION_STEPS=2)
    stages, whole, parts = [Stage("all", 4, 0.01)], EpochEnds(), EpochEnds()
    make(config, tmp_path / "whole", stages, callbacks=[whole]).run(
        Batches(config), Batches(config)
    )

    def stop(name):
        return lambda: os.kill(os.getpid(), getattr(signal, name))

    resume = None
    for train, val, expected in (
        ({0: stop("SIGHUP")}, {}, "SIGHUP"),
        ({}, {1: stop("SIGTERM")}, "SIGTERM"),
        ({}, {0: stop("SIGINT")}, "SIGINT"),
        ({}, {}, None),
    ):
        trainer = make(config, tmp_path / "parts", stages, callbacks=[parts])
        outcome = trainer.run(Batches(config, train), Batches(config, val), resume=resume)
        assert outcome.signal == (expected and getattr(signal, expected))
        resume = outcome.checkpoint
    assert outcome.step == 4
    assert logged(tmp_path / "parts") == logged(tmp_path / "whole")
    assert [epoch for epoch, _ in parts.seen] == [0, 1]
    for (_, found), (_, wanted) in zip(parts.seen, whole.seen, strict=True):
        assert found == pytest.approx(wanted, rel=1e-5)
    expected = weights(tmp_path / "whole" / "mask_rcnn_tiny_0000004.h5")
    for weight, value in weights(outcome.checkpoint).items():
        np.testing.assert_allclose(value, expected[weight], atol=1e-6, err_msg=weight)


def test_a_second_signal_does_not_lose_the_checkpoint(tmp_path, config, make, monkeypatch):
    def save(path, *rest):
        os.kill(os.getpid(), signal.SIGINT)
        saved(path, *rest)

    saved = loop.save_checkpoint
    monkeypatch.setattr(loop, "save_checkpoint", save)
    stop = {1: lambda: os.kill(os.getpid(), signal.SIGINT)}
    outcome = make(config, tmp_path).run(Batches(config, stop))
    assert outcome.signal == signal.SIGINT and outcome.checkpoint.is_file()
    assert read_state(outcome.checkpoint)["step"] == outcome.step


def test_a_second_signal_outside_of_it_interrupts(tmp_path, config, make):
    def twice():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        make(config, tmp_path).run(Batches(config, {1: twice}))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_goes_on_where_it_was(tmp_path, canvas, precision):
    """With the scale of the loss, and the number of steps since it changed, in float16."""
    canvas = canvas.update(STEPS_PER_EPOCH=2, PRECISION=precision)
    stages = [Stage("heads", 4, 0.01)]
    network = Network(canvas)
    runs = [Trainer(network, canvas, stages, tmp_path / n, quiet=True) for n in "ab"]
    whole = runs[0].run(Batches(canvas))
    middle = tmp_path / "a" / "mask_rcnn_tiny_0000002.h5"
    second = runs[1].run(Batches(canvas), resume=middle)
    assert keras.config.dtype_policy().name == "float32"
    states = [optimizer_state(path) for path in (middle, whole.checkpoint, second.checkpoint)]
    scaled = precision == "float16"
    assert [any(v.size == 1 and v == 2**15 for v in state) for state in states] == [scaled] * 3
    for found, expected in zip(states[2], states[1], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    expected, found = weights(whole.checkpoint), weights(second.checkpoint)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)


def test_gradients_that_wait_for_others_survive_a_stop(tmp_path, canvas):
    canvas = canvas.update(STEPS_PER_EPOCH=2, ACCUMULATE=3)
    stages = [Stage("heads", 6, 0.01)]
    network = Network(canvas)
    runs = [Trainer(network, canvas, stages, tmp_path / n, quiet=True) for n in "ab"]
    whole = runs[0].run(Batches(canvas))
    # Of the two steps before it the weights have not seen anything.
    first, last = (tmp_path / "a" / f"mask_rcnn_tiny_000000{n}.h5" for n in (2, 4))
    second = runs[1].run(Batches(canvas), resume=first)
    expected, found = weights(whole.checkpoint), weights(second.checkpoint)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6, err_msg=name)
    assert np.abs(weights(last)["fpn_p2/kernel"] - weights(first)["fpn_p2/kernel"]).max() > 0


def test_stages_train_what_they_name_and_keep_their_checkpoints(tmp_path, config, make):
    trainer = make(config.update(STEPS_PER_EPOCH=1, VALIDATION_STEPS=0), tmp_path)
    outcome = trainer.run(Batches(config))
    # The ends of both stages, and the two newest others.
    steps = sorted(int(path.stem[-7:]) for path in tmp_path.glob("*.h5"))
    assert steps == [2, 4, 5, 6]
    heads, last = weights(tmp_path / "mask_rcnn_tiny_0000002.h5"), weights(outcome.checkpoint)
    start = {
        f"{layer}/{v.name}": to_numpy(v)
        for layer, variables in make(config, tmp_path).network.builder.layers.items()
        for v in variables.weights
    }
    backbone = "small_res2_a/kernel"
    np.testing.assert_array_equal(heads[backbone], start[backbone])
    assert np.abs(last[backbone] - start[backbone]).max() > 0
    assert np.abs(heads["fpn_p2/kernel"] - start["fpn_p2/kernel"]).max() > 0


def foreign(path, state=None):
    """A file that another run, model or person has left; with a state it is a checkpoint."""
    with h5py.File(path, "w") as file:
        if state:
            text = np.frombuffer(json.dumps(state).encode(), np.uint8)
            file.create_dataset("training_state/json", data=text)
    return path.read_bytes()


def test_files_of_others_stay(tmp_path, config, make, capsys):
    others = {
        "mask_rcnn_coco.h5": None,
        "mask_rcnn_other_0000001.h5": {"step": 1, "run": "theirs"},
        "mask_rcnn_tiny_2_0000001.h5": {"step": 1, "run": "theirs"},
        "mask_rcnn_tiny_0000000.h5": {"step": 0, "run": "theirs"},
        "mask_rcnn_tiny_0000001.h5": None,
        "mask_rcnn_tiny_0000003.h5": {"step": 3, "run": "theirs"},
        "mask_rcnn_tiny_0000004.h5": {"step": 4},
        "mask_rcnn_tiny_0000009.h5": {"run": "theirs"},
        "final.h5": None,
        "notes.h5": None,
    }
    before = {name: foreign(tmp_path / name, state) for name, state in others.items()}
    trainer = make(config.update(STEPS_PER_EPOCH=1, VALIDATION_STEPS=0), tmp_path, quiet=False)
    copy, first = tmp_path / "mask_rcnn_best_0000001.h5", tmp_path / "mask_rcnn_tiny_0000001.h5"
    outcome = trainer.run(Batches(config, {2: lambda: shutil.copy(first, copy)}))
    assert copy.is_file() and not first.exists()
    own = {path.name for path in tmp_path.glob("*.h5")} - {*others, copy.name}
    # Where a checkpoint of this run has the name of such a file, that one has another name now;
    # this run kept what it keeps in an empty folder.
    stay = {name: content for name, content in before.items() if (tmp_path / name).exists()}
    moved = {"mask_rcnn_tiny_0000001", "mask_rcnn_tiny_0000003", "mask_rcnn_tiny_0000004"}
    for name, content in before.items():
        stem = name.removesuffix(".h5")
        path = tmp_path / (f"{stem}-1.h5" if stem in moved else name)
        assert path.read_bytes() == content, name
    assert set(before) - set(stay) == {"mask_rcnn_tiny_0000001.h5", "mask_rcnn_tiny_0000003.h5"}
    assert own == {
        *(f"{stem}-1.h5" for stem in moved),
        *(f"mask_rcnn_tiny_{step:07d}.h5" for step in (2, 5, 6)),
    }
    steps = {
        path.name: read_state(path) for path in run_checkpoints(tmp_path, "tiny", trainer._run)
    }
    assert [state["step"] for state in steps.values()] == [2, 4, 5, 6]
    assert outcome.checkpoint.name == "mask_rcnn_tiny_0000006.h5"
    said = capsys.readouterr().out
    assert "mask_rcnn_tiny_0000003.h5 is of another run, it is kept as" in said
    assert "mask_rcnn_tiny_0000002.h5 is" not in said


def test_a_run_in_several_calls_is_one_run(tmp_path, config, make):
    """As `MaskRCNN.train` calls it: the second call clears up after the first one too."""
    config = config.update(STEPS_PER_EPOCH=1, VALIDATION_STEPS=0)
    stages = [Stage("heads", 3, 0.01), Stage("all", 3, 0.01)]
    make(config, tmp_path, stages[:1]).run(Batches(config))
    make(config, tmp_path, stages).run(Batches(config), start=3)
    assert sorted(int(path.stem[-7:]) for path in tmp_path.glob("*.h5")) == [3, 4, 5, 6]
    # A run from the start is another one.
    make(config, tmp_path, [Stage("heads", 2, 0.01)]).run(Batches(config))
    left = sorted(int(path.stem[-7:]) for path in tmp_path.glob("*.h5"))
    assert left == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("weighting", ["fixed", "uncertainty", "gradnorm"])
def test_a_network_that_has_no_model_yet(tmp_path, tiny_config, weighting):
    config = tiny_config.update(LOSS_WEIGHTING=weighting, STEPS_PER_EPOCH=1)
    network = Network(config, edge_losses(config))
    outcome = Trainer(network, config, [Stage("heads", 1, 0.01)], tmp_path, quiet=True).run(
        Batches(config)
    )
    assert outcome.step == 1 and outcome.checkpoint.is_file()


def test_the_rate_rises_over_the_first_steps(tmp_path, config, make):
    """From a tenth in equal parts; step 5 is the first one at the whole rate."""
    config = config.update(STEPS_PER_EPOCH=1, VALIDATION_STEPS=0, WARMUP_STEPS=4)
    make(config, tmp_path, [Stage("heads", 6, 0.01)]).run(Batches(config))
    rates = [float(row["learning_rate"]) for row in log_rows(tmp_path)]
    assert rates == pytest.approx([0.001, 0.00325, 0.0055, 0.00775, 0.01, 0.01], rel=1e-5)


def test_validation_is_the_mean_over_its_batches(tmp_path, config, make):
    config = config.update(STEPS_PER_EPOCH=1, VALIDATION_STEPS=3, RANDOM_SAMPLING=False)
    trainer = make(config, tmp_path, [Stage("heads", 1, 1e-9)])
    trainer.run(Batches(config), Batches(config))
    (row,) = log_rows(tmp_path, "val")
    model, single = trainer.network.training((64, 64)), []
    for batch in itertools.islice(Batches(config).batches(0, 3), 3):
        model.reset_metrics()
        single.append(model.test_on_batch(batch, return_dict=True))
    for name in ("loss", *LOSS_NAMES):
        values = [float(losses[name]) for losses in single]
        assert float(row[name]) == pytest.approx(np.mean(values), rel=1e-4), name
    totals = [float(losses["loss"]) for losses in single]
    assert abs(np.mean(totals) - totals[-1]) > 0.01


# Keras 3.15 converts the variable itself to NumPy where it reads the rate.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_callbacks_see_losses_and_change_the_rate(tmp_path, canvas, make):
    """On landscape and portrait images: the models of both share the optimizer."""
    logs, there = [], []

    def note(epoch, values):
        logs.append(values)
        there.append([path.name for path in sorted(tmp_path.glob("*.h5"))])
        own[0].model.stop_training = epoch == 1

    own = [
        keras.callbacks.LambdaCallback(on_epoch_end=note),
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 / 2**epoch),
    ]
    canvas = canvas.update(STEPS_PER_EPOCH=2, EDGE_LOSS_FILTERS=["sobel"])
    trainer = make(canvas, tmp_path, [Stage("heads", 8, 0.5)], callbacks=own)
    outcome = trainer.run(Batches(canvas), Batches(canvas))
    assert (outcome.step, outcome.signal) == (4, None)
    assert outcome.checkpoint.name == "mask_rcnn_tiny_0000004.h5"
    # As in the original, the checkpoint of an epoch is there when they are called.
    assert [names[-1] for names in there] == [
        "mask_rcnn_tiny_0000002.h5",
        "mask_rcnn_tiny_0000004.h5",
    ]
    rows = log_rows(tmp_path)
    assert [row["learning_rate"] for row in rows] == ["0.01", "0.005"]
    names = {"loss", *LOSS_NAMES}
    for row, log in zip(rows, logs, strict=True):
        assert set(log) == names | {f"val_{name}" for name in names} | {"learning_rate"}
        for name in names:
            assert float(row[name]) == pytest.approx(log[name], rel=1e-4)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path, config, make):
    def spoil(step, batch):
        if step == 2:
            batch["input_image"][:] = np.nan

    with pytest.raises(InputError, match=r"loss.* not finite at step 3 \(images 0, 0\)"):
        make(config, tmp_path, [Stage("all", 4, 0.01)]).run(Batches(config, change=spoil))


def test_a_finished_run_has_nothing_to_do(tmp_path, config, monkeypatch, make):
    trainer = make(config, tmp_path)
    monkeypatch.setattr("mrcnn.training.loop.read_state", lambda path: {"step": 6})
    assert trainer.run(None, resume=tmp_path / "x.h5").step == 6


def log_rows(folder, split="train"):
    with open(folder / "log.csv", newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


def test_fixed_weights_have_no_columns(tmp_path, config, make):
    make(config, tmp_path, [Stage("heads", 1, 0.01)]).run(Batches(config))
    assert not [name for name in log_rows(tmp_path)[0] if name.startswith("weight_")]


def test_variances_of_losses_are_trained_while_heads_are(tmp_path, config, make):
    """One step of plain gradient descent: s falls by rate * (1/2 - L) at s = 0."""
    config = config.update(LOSS_WEIGHTING="uncertainty", GRADIENT_CLIP_NORM=1e9, STEPS_PER_EPOCH=1)
    rate = 0.1
    make(config, tmp_path, [Stage("heads", 2, rate)]).run(Batches(config))
    first, second = log_rows(tmp_path)
    names = [name for name in first if name.startswith("weight_")]
    assert len(names) == 6
    losses = {name: float(first[name.removeprefix("weight_")]) for name in names}
    assert sum(value > 0 for value in losses.values()) >= 2
    for name, loss in losses.items():
        slope = 0.5 - loss if loss > 0 else 0.0
        assert float(first[name]) == pytest.approx(np.exp(rate * slope), rel=1e-3), name


def test_gradnorm_updates_at_its_steps(tmp_path, config, make):
    config = config.update(LOSS_WEIGHTING="gradnorm", GRADNORM_EVERY=2, STEPS_PER_EPOCH=1)
    make(config, tmp_path, [Stage("heads", 3, 0.01)]).run(Batches(config))
    rows = [
        [float(v) for k, v in row.items() if k.startswith("weight_")] for row in log_rows(tmp_path)
    ]
    assert len(rows) == 3 and len(rows[0]) == 6
    assert rows[0] == rows[1] != rows[2]
    for row in rows:
        assert set(row) != {1.0}
        assert sum(row) == pytest.approx(6, abs=1e-4)


def test_a_resumed_run_keeps_the_weights_of_its_losses(tmp_path, config, make):
    """From the end of a stage, where the optimizer starts anew and the weights do not."""
    config = config.update(LOSS_WEIGHTING="uncertainty", STEPS_PER_EPOCH=1)
    first = make(config, tmp_path, [Stage("heads", 1, 0.01)]).run(Batches(config))
    stages = [Stage("heads", 1, 0.01), Stage("mrcnn_mask.*", 1, 1e-9)]
    make(config, tmp_path, stages).run(Batches(config), resume=first.checkpoint)
    before, after = (
        {k: v for k, v in row.items() if k.startswith("weight_")} for row in log_rows(tmp_path)
    )
    assert before == after
    assert set(before.values()) != {"1"}


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="the weights that JAX draws give no positive RoI here"
)
def test_boxes_alone_train_everything_but_masks(tmp_path, config, make):
    def boxes_alone(step, batch):
        batch["input_gt_has_mask"][:] = False

    config = config.update(STEPS_PER_EPOCH=1)
    stages = [Stage("mrcnn_.*", 3, 0.01)]
    for name, change in (("boxes", boxes_alone), ("masks", None)):
        make(config, tmp_path / name, stages).run(Batches(config, change=change))
    boxes, masks = log_rows(tmp_path / "boxes"), log_rows(tmp_path / "masks")
    assert [row["mrcnn_mask_loss"] for row in boxes] == ["0"] * 3
    assert [row["mrcnn_mask_edge_loss"] for row in boxes] == ["0"] * 3
    assert any(float(row["mrcnn_mask_loss"]) > 0 for row in masks)
    for name in ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss"):
        assert float(boxes[0][name]) == pytest.approx(float(masks[0][name]), rel=1e-4)
