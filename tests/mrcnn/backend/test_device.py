"""What to compile for, and compiled inference."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn import backend


def to_numpy(variable):
    return ops.convert_to_numpy(ops.copy(variable))


@pytest.mark.parametrize(("value", "expected"), [("0", False), ("1", True)])
def test_environment_decides_on_compilation(monkeypatch, value, expected):
    monkeypatch.setenv("MRCNN_JIT", value)
    assert backend.jit_compile() is expected


@pytest.mark.parametrize(
    ("name", "accelerator", "expected"),
    [
        ("tensorflow", False, False),
        ("tensorflow", True, True),
        ("jax", False, True),
        ("torch", True, False),
    ],
)
def test_compilation_by_backend(monkeypatch, name, accelerator, expected):
    monkeypatch.delenv("MRCNN_JIT", raising=False)
    monkeypatch.setattr("mrcnn.backend.device.has_accelerator", lambda: accelerator)
    monkeypatch.setattr("keras.backend.backend", lambda: name)
    assert backend.jit_compile() is expected


def test_version_names_the_backend():
    name, number = backend.version().split()
    assert name == keras.backend.backend()
    assert number.split(".")[0].isdigit()


def test_device_name_tells_the_threads_of_a_cpu():
    if backend.has_accelerator():
        pytest.skip("there is an accelerator")
    assert backend.device_name().startswith("cpu (")
    assert backend.peak_memory() is None


def test_compiled_model_gives_tensors_in_inference_mode():
    inputs = keras.Input((3,))
    outputs = keras.layers.Dropout(0.9)(keras.layers.Dense(2)(inputs))
    model = keras.Model(inputs, outputs)
    kernel, bias = (to_numpy(v) for v in model.layers[1].weights)
    x = np.arange(6, dtype="float32").reshape(2, 3)
    result = backend.compiled(model)(x)
    assert ops.is_tensor(result)
    np.testing.assert_allclose(ops.convert_to_numpy(result), x @ kernel + bias, rtol=1e-5)


def test_compiled_model_follows_its_weights():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2, use_bias=False)(inputs))
    run, x = backend.compiled(model), np.ones((1, 3), "float32")
    run(x)
    model.layers[1].kernel.assign(np.full((3, 2), 2.0))
    np.testing.assert_allclose(ops.convert_to_numpy(run(x)), [[6, 6]])
