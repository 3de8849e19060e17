"""What a run does when a loss is not finite."""

import csv

import numpy as np
import pytest

from mrcnn.errors import InputError
from mrcnn.training.checkpoint import read_state
from mrcnn.training.loop import Trainer
from mrcnn.training.not_finite import RECORD
from mrcnn.training.schedule import Stage
from mrcnn.weights.loading import read_weights
from tests.mrcnn.training.batches import Batches

pytestmark = pytest.mark.usefixtures("eager")
STAGES = [Stage("all", 4, 0.01)]


class Spoiled(Batches):
    """Images of NaN at some steps, in the first order of the images."""

    def __init__(self, config, *steps):
        super().__init__(config, change=self._spoil)
        self._steps = steps

    def _spoil(self, step, batch):
        if step in self._steps:
            batch["input_image"][:] = np.nan

    def reordered(self, order):
        other = super().reordered(order)
        other.change = None
        return other


@pytest.fixture
def make(shared_network):
    def trainer(config, folder, stages=STAGES):
        return Trainer(shared_network(config), config, stages, folder, quiet=True)

    return trainer


@pytest.fixture
def config(tiny_config):
    return tiny_config.update(STEPS_PER_EPOCH=2, VALIDATION_STEPS=0)


def rows(folder):
    with open(folder / RECORD, newline="") as file:
        return list(csv.DictReader(file))


def flat(path):
    return {f"{a}/{b}": w for a, layer in read_weights(path).items() for b, w in layer.items()}


@pytest.mark.parametrize(("optimizer", "batch_norm"), [("sgd", None), ("adamw", False)])
def test_a_step_that_is_left_out_changes_nothing(tmp_path, config, make, optimizer, batch_norm):
    """The run ends with the weights of one whose second step does not exist."""
    config = config.update(OPTIMIZER=optimizer, TRAIN_BN=batch_norm, RANDOM_SAMPLING=False)
    config = config.update(STEPS_PER_EPOCH=1, ON_NAN="skip")
    run = make(config, tmp_path / "a", [Stage("all", 2, 0.01)])
    saved = run.run(Spoiled(config, 1)).checkpoint
    whole = make(config.update(ON_NAN="stop"), tmp_path / "b", [Stage("all", 1, 0.01)])
    expected = flat(whole.run(Batches(config)).checkpoint)
    found = flat(saved)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    (row,) = rows(tmp_path / "a")
    assert (row["step"], row["images"], row["then"]) == ("2", "0, 0", "left out")
    assert "loss" in row["losses"].split()


def test_steps_that_are_left_out_are_in_no_mean(tmp_path, config, make):
    config = config.update(ON_NAN="skip")
    make(config, tmp_path).run(Spoiled(config, 1, 2, 3))
    with open(tmp_path / "log.csv", newline="") as file:
        logged = list(csv.DictReader(file))
    assert [row["step"] for row in logged] == ["2"]
    assert all(np.isfinite(float(row["loss"])) for row in logged)


def test_too_many_in_a_row_end_the_run(tmp_path, config, make):
    config = config.update(ON_NAN="skip", ON_NAN_LIMIT=2)
    with pytest.raises(InputError, match=r"at step 4 .*more than ON_NAN_LIMIT \(2\) allows"):
        make(config, tmp_path).run(Spoiled(config, 1, 2, 3))
    assert len(rows(tmp_path)) == 2


def test_a_rewind_goes_on_from_the_last_checkpoint(tmp_path, config, make):
    """With another order of the images and half the rate, which a resumed run keeps."""
    config = config.update(ON_NAN="rewind")
    outcome = make(config, tmp_path).run(Spoiled(config, 2))
    assert outcome.step == 4
    assert read_state(outcome.checkpoint)["rewinds"] == 1
    (row,) = rows(tmp_path)
    assert row["step"] == "3" and row["then"].startswith("back to step 2, with another order")
    with open(tmp_path / "log.csv", newline="") as file:
        logged = list(csv.DictReader(file))
    assert [row["step"] for row in logged] == ["2", "4"]
    assert [float(row["learning_rate"]) for row in logged] == pytest.approx([0.01, 0.005])
    asked = []

    class Asked(Batches):
        def reordered(self, order):
            asked.append(order)
            return super().reordered(order)

    longer = [Stage("all", 6, 0.01)]
    make(config, tmp_path, longer).run(Asked(config), resume=outcome.checkpoint)
    assert asked == [1]


def test_rewinds_have_an_end(tmp_path, config, make):
    config = config.update(ON_NAN="rewind", ON_NAN_LIMIT=2)

    def always(step, batch):
        if step == 3:
            batch["input_image"][:] = np.nan

    with pytest.raises(InputError, match=r"at step 4 .*more than ON_NAN_LIMIT \(2\) allows"):
        make(config, tmp_path).run(Batches(config, change=always))
    assert [row["step"] for row in rows(tmp_path)] == ["4", "4"]


def test_without_a_checkpoint_there_is_no_rewind(tmp_path, config, make):
    config = config.update(ON_NAN="rewind")
    with pytest.raises(InputError, match="at step 2 .*there is no checkpoint"):
        make(config, tmp_path).run(Spoiled(config, 1))


def test_weights_that_are_not_finite_are_not_saved(tmp_path, config, make, monkeypatch):
    """The losses of a step may be finite while its gradients are not."""
    config = config.update(STEPS_PER_EPOCH=1)
    trainer = make(config, tmp_path)
    step = trainer._train_step

    def spoil(batch):
        losses = step(batch)
        weight = trainer._current.trainable_variables[0]
        weight.assign(np.full(weight.shape, np.nan))
        return losses

    monkeypatch.setattr(trainer, "_train_step", spoil)
    with pytest.raises(InputError, match="weights not finite at step 1"):
        trainer.run(Batches(config))
    assert not list(tmp_path.glob("*.h5"))


def test_what_is_done_may_change_when_a_run_goes_on(tmp_path, config, make):
    """The optimizer of `skip` has a scale more, which is not in checkpoints."""
    part = make(config, tmp_path, [Stage("all", 5, 0.01)])
    with pytest.raises(InputError, match="not finite at step 3"):
        part.run(Spoiled(config, 2))
    skipping = config.update(ON_NAN="skip")
    run = make(skipping, tmp_path, [Stage("all", 5, 0.01)])
    last = tmp_path / "mask_rcnn_tiny_0000002.h5"
    assert run.run(Spoiled(skipping, 2), resume=last).step == 5
    stopping = make(config, tmp_path, [Stage("all", 6, 0.01)])
    last = tmp_path / "mask_rcnn_tiny_0000005.h5"
    assert stopping.run(Batches(config), resume=last).step == 6
