import os

import h5py
import keras
import numpy as np
import pytest

from mrcnn.errors import InputError
from mrcnn.training.checkpoint import (
    checkpoint_name,
    checkpoint_path,
    find_checkpoints,
    find_last,
    find_trained,
    read_state,
    restore_state,
    save_checkpoint,
)
from mrcnn.weights.loading import to_numpy


@pytest.fixture
def model():
    inputs = keras.Input((2,))
    x = keras.layers.Dense(3, name="fc")(inputs)
    return keras.Model(inputs, keras.layers.Dropout(0.5, seed=1)(x))


def trained(model):
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)
    optimizer.apply([keras.ops.ones(v.shape) for v in model.trainable_variables])
    return optimizer


def test_a_checkpoint_brings_back_optimizer_random_state_and_step(tmp_path, model):
    optimizer, path = trained(model), checkpoint_path(tmp_path, "Shapes", 12)
    assert path.name == "mask_rcnn_shapes_0000012.h5"
    model(np.ones((1, 2), "float32"), training=True)  # moves the random state
    save_checkpoint(path, model, optimizer, {"step": 12, "dataset": "d"})
    expected = [to_numpy(v) for v in (*optimizer.variables, *model.non_trainable_variables)]

    model(np.ones((1, 2), "float32"), training=True)
    other = trained(model)
    other.apply([keras.ops.ones(v.shape) for v in model.trainable_variables])
    restore_state(path, model, other)
    found = [to_numpy(v) for v in (*other.variables, *model.non_trainable_variables)]
    assert len(found) == len(expected) > 4
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert read_state(path) == {"step": 12, "dataset": "d"}


def test_a_checkpoint_is_a_weight_file(tmp_path, model):
    path = tmp_path / "mask_rcnn_a_0000001.h5"
    save_checkpoint(path, model, trained(model), {"step": 1})
    with h5py.File(path) as file:
        assert list(file.attrs["layer_names"]) == [b"fc"]
        assert list(file["fc"].attrs["weight_names"]) == [b"fc/kernel:0", b"fc/bias:0"]
        np.testing.assert_array_equal(
            file["fc/fc/kernel:0"], to_numpy(model.get_layer("fc").kernel)
        )
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_another_optimizer_is_refused(tmp_path, model):
    path = tmp_path / "mask_rcnn_a_0000001.h5"
    save_checkpoint(path, model, trained(model), {"step": 1})
    adam = keras.optimizers.AdamW()
    adam.build(model.trainable_variables)
    with pytest.raises(InputError, match="another configuration"):
        restore_state(path, model, adam)


def test_names_of_checkpoints():
    assert checkpoint_name("runs/a/mask_rcnn_two_words_0000012.h5") == "two_words"
    assert checkpoint_name("mask_rcnn_coco.h5") is None


def test_a_plain_weight_file_cannot_be_resumed(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"fc"]
    with pytest.raises(InputError, match="no checkpoint that a run can be resumed from"):
        read_state(tmp_path / "w.h5")


def test_the_newest_checkpoint_is_found(tmp_path):
    for run, steps, age in (("old", (1, 300), 100), ("new", (20, 3), 10)):
        (tmp_path / run).mkdir()
        for step in steps:
            checkpoint_path(tmp_path / run, "x", step).touch()
        os.utime(tmp_path / run, (1e9 - age, 1e9 - age))
    (tmp_path / "new" / "other.h5").touch()
    os.utime(tmp_path / "new", (1e9, 1e9))
    assert [p.name for p in find_checkpoints(tmp_path / "new")] == [
        "mask_rcnn_x_0000003.h5",
        "mask_rcnn_x_0000020.h5",
    ]
    assert find_last(tmp_path) == tmp_path / "new" / "mask_rcnn_x_0000020.h5"
    assert find_last(tmp_path / "old").name == "mask_rcnn_x_0000300.h5"


def test_no_checkpoint_is_said(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        find_last(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        find_last(tmp_path / "nowhere")


@pytest.mark.parametrize("weighting", ["uncertainty", "gradnorm"])
def test_the_weights_of_the_losses_come_back(tmp_path, tiny_config, shared_network, weighting):
    config, path = tiny_config.update(LOSS_WEIGHTING=weighting), tmp_path / "mask_rcnn_a_0000001.h5"
    model = shared_network(config).training((64, 64))
    balance = model.get_layer("losses").balance
    assert len(balance) == {"uncertainty": 1, "gradnorm": 2}[weighting]
    for index, variable in enumerate(balance):
        variable.assign(np.arange(6) + 10 * index)
    save_checkpoint(path, model, keras.optimizers.SGD(), {"step": 1})
    for variable in balance:
        variable.assign(np.full(6, -1))
    restore_state(path, model, keras.optimizers.SGD(), with_optimizer=False)
    for index, variable in enumerate(balance):
        np.testing.assert_array_equal(to_numpy(variable), np.arange(6) + 10 * index)
    with h5py.File(path) as file:
        assert b"losses" not in file.attrs["layer_names"]


def test_a_run_with_fixed_weights_does_not_resume_one_that_learns_them(
    tmp_path, tiny_config, shared_network
):
    path = tmp_path / "mask_rcnn_a_0000001.h5"
    fixed, learnt = tiny_config, tiny_config.update(LOSS_WEIGHTING="uncertainty")
    models = [shared_network(c).training((64, 64)) for c in (learnt, fixed)]
    save_checkpoint(path, models[0], trained(models[0]), {"step": 1})
    with pytest.raises(InputError, match="1 losses variables, this run has 0"):
        restore_state(path, models[1], trained(models[1]), with_optimizer=False)


def test_the_weights_of_a_run_are_its_final_ones(tmp_path):
    for run, age in (("old", 100), ("new", 10)):
        (tmp_path / run).mkdir()
        checkpoint_path(tmp_path / run, "x", 5).touch()
        os.utime(tmp_path / run, (1e9 - age, 1e9 - age))
    assert find_trained(tmp_path) == tmp_path / "new" / "mask_rcnn_x_0000005.h5"
    (tmp_path / "new" / "final.h5").touch()
    os.utime(tmp_path / "new", (1e9, 1e9))
    assert find_trained(tmp_path) == find_trained(tmp_path / "new") == tmp_path / "new" / "final.h5"
    assert find_last(tmp_path) == tmp_path / "new" / "mask_rcnn_x_0000005.h5"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="neither final.h5 nor a checkpoint"):
        find_trained(tmp_path / "empty")
    with pytest.raises(InputError, match="does not exist"):
        find_trained(tmp_path / "nowhere")
