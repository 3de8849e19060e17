import os

import h5py
import keras
import numpy as np
import pytest

from mrcnn.errors import InputError
from mrcnn.training.checkpoint import (
    checkpoint_name,
    checkpoint_path,
    epochs_in_name,
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


def touch(path, age):
    """Make a file that was written `age` seconds before a fixed time; its folder is older."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (1e9 - age, 1e9 - age))
    os.utime(path.parent, (1, 1))
    return path


def test_the_checkpoints_of_a_run_are_in_the_order_of_their_steps(tmp_path):
    for step in (20, 3, 100):
        touch(checkpoint_path(tmp_path, "x", step), step)
    (tmp_path / "other.h5").touch()
    names = [path.name for path in find_checkpoints(tmp_path)]
    assert names == [f"mask_rcnn_x_0000{step}.h5" for step in ("003", "020", "100")]


def test_epochs_are_counted_as_in_the_original(tmp_path, model):
    # Epochs of 4 steps; two epochs and a step were done before step 9 of this stage.
    epochs = {"length": 4, "start": 9, "before": 2, "beyond": 1}
    names = [checkpoint_path(tmp_path, "My model", s, epochs).name for s in (9, 12, 16, 17)]
    assert names == [
        "mask_rcnn_my_model_0000009.h5",
        "mask_rcnn_my_model_0003.h5",
        "mask_rcnn_my_model_0004.h5",
        "mask_rcnn_my_model_0000017.h5",
    ]
    for step in (17, 12, 16):
        path = checkpoint_path(tmp_path, "a", step, epochs)
        save_checkpoint(path, model, trained(model), {"step": step, "epochs": epochs})
    # And a file of the original in the same folder.
    (tmp_path / "mask_rcnn_a_0002.h5").touch()
    found = [path.name.split("_")[-1] for path in find_checkpoints(tmp_path)]
    assert found == ["0002.h5", "0003.h5", "0004.h5", "0000017.h5"]


@pytest.mark.parametrize(
    ("path", "epochs"),
    [
        ("logs/shapes20200101T1200/mask_rcnn_shapes_0005.h5", 5),
        ("logs/my-run_20200101T120059/mask_rcnn_two_words_0123.h5", 123),
        ("logs/shapes20200101T1200/mask_rcnn_shapes_0000005.h5", None),
        ("logs/shapes/mask_rcnn_shapes_0005.h5", None),
        ("logs/shapes20200101T1200/mask_rcnn_shapes.h5", None),
    ],
)
def test_epochs_in_names_of_the_original(path, epochs):
    assert epochs_in_name(path) == epochs


def test_the_newest_checkpoint_decides_on_the_run(tmp_path):
    touch(checkpoint_path(tmp_path / "old", "x", 300), age=100)
    newest = touch(checkpoint_path(tmp_path / "new", "x", 20), age=10)
    touch(checkpoint_path(tmp_path / "new", "x", 3), age=20)
    # Neither a folder that was changed later nor one without a checkpoint.
    os.utime(tmp_path / "old", (2e9, 2e9))
    (tmp_path / "zempty").mkdir()
    assert find_last(tmp_path) == find_trained(tmp_path) == newest
    assert find_last(tmp_path / "old").name == "mask_rcnn_x_0000300.h5"


def test_only_models_of_a_name_are_looked_at(tmp_path):
    own = touch(tmp_path / "cell20200101T1200" / "mask_rcnn_cell_0003.h5", age=50)
    touch(tmp_path / "cells20200102T1200" / "mask_rcnn_cells_0009.h5", age=1)
    touch(tmp_path / "cell_20200103T1200" / "mask_rcnn_other_0009.h5", age=0)
    assert find_last(tmp_path, "Cell") == own
    assert find_last(tmp_path).name == "mask_rcnn_other_0009.h5"
    spaced = touch(tmp_path / "my cells20200101T1200" / "mask_rcnn_my cells_0001.h5", age=99)
    assert find_last(tmp_path, "My cells") == spaced


def test_runs_of_a_name_may_be_chosen(tmp_path):
    sobel = touch(tmp_path / "coco_sobel_20200101T1200" / "mask_rcnn_coco_0003.h5", age=50)
    plain = touch(tmp_path / "coco20200101T1200" / "mask_rcnn_coco_0003.h5", age=10)
    touch(tmp_path / "coco_sobel_2_20200101T1200" / "mask_rcnn_coco_0003.h5", age=20)
    assert find_last(tmp_path, "coco", "Sobel") == sobel
    assert find_last(tmp_path, "coco") == plain


def test_no_checkpoint_is_said(tmp_path):
    for error in (InputError, FileNotFoundError):
        with pytest.raises(error, match=r"no checkpoint \(mask_rcnn_cells\*.h5\) in"):
            find_last(tmp_path, "cells")
        with pytest.raises(error, match="does not exist"):
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
    touch(tmp_path / "old" / "final.h5", age=100)
    checkpoint = touch(checkpoint_path(tmp_path / "new", "x", 5), age=10)
    assert find_trained(tmp_path) == checkpoint
    final = touch(tmp_path / "new" / "final.h5", age=5)
    assert find_trained(tmp_path) == find_trained(tmp_path / "new") == final
    assert find_last(tmp_path) == checkpoint
    (tmp_path / "empty").mkdir()
    for error in (InputError, FileNotFoundError):
        with pytest.raises(error, match="neither final.h5 nor a checkpoint"):
            find_trained(tmp_path / "empty")
        with pytest.raises(error, match="does not exist"):
            find_trained(tmp_path / "nowhere")
