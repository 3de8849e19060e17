"""Gradients on any backend, and networks that are built once for all tests."""

import keras
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.edge import edge_losses
from mrcnn.modeling.network import Network
from mrcnn.weights.loading import to_numpy

SIDE = 128


class Tiny(Config):
    """A network that trains on two CPU cores in seconds."""

    NAME = "tiny"
    NUM_CLASSES = 4
    BACKBONE = "small"
    BACKBONE_ARGS = {"width": 8}
    IMAGE_MIN_DIM = SIDE
    IMAGE_MAX_DIM = SIDE
    TOP_DOWN_PYRAMID_SIZE = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 32
    RPN_CHANNELS = 16
    MASK_HEAD_CHANNELS = 16
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    PRE_NMS_LIMIT = 200
    POST_NMS_ROIS_TRAINING = 64
    POST_NMS_ROIS_INFERENCE = 32
    TRAIN_ROIS_PER_IMAGE = 16
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    MAX_GT_INSTANCES = 8
    DETECTION_MAX_INSTANCES = 8
    DETECTION_MIN_CONFIDENCE = 0.0
    RANDOM_SAMPLING = False


def _gradients(function, variables):
    """`function()`, a scalar, and its gradients with respect to `variables`, as NumPy arrays."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = function()
        grads = tape.gradient(value, [v.value for v in variables], unconnected_gradients="zero")
        return float(value), [tf.convert_to_tensor(grad).numpy() for grad in grads]
    if backend == "jax":
        import jax

        def stateless(values):
            with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
                return function()

        value, grads = jax.value_and_grad(stateless)([v.value for v in variables])
        return float(value), [np.asarray(grad) for grad in grads]
    import torch

    value = function()
    tensors = [v.value for v in variables]
    grads = torch.autograd.grad(value, tensors, allow_unused=True, materialize_grads=True)
    return float(value), [grad.cpu().numpy() for grad in grads]


@pytest.fixture(scope="session")
def gradients():
    return _gradients


@pytest.fixture(scope="session")
def tiny_class():
    return Tiny


@pytest.fixture(scope="session")
def tiny():
    return Tiny()


@pytest.fixture(scope="session")
def network(tiny):
    """A tiny network with random weights; its users leave the weights as they are."""
    keras.utils.set_random_seed(1)
    return Network(tiny)


# What a network does not depend on.
OF_THE_RUN = {
    "STEPS_PER_EPOCH",
    "VALIDATION_STEPS",
    "GRADIENT_CLIP_NORM",
    "GRADNORM_ALPHA",
    "GRADNORM_EVERY",
    "GRADNORM_LEARNING_RATE",
}


@pytest.fixture(scope="session")
def shared_network():
    """`shared_network(config)`: a network with its losses and its training model, as if it were
    new, but built only once for all tests that ask for the same. Whoever asks may train it.
    """
    made = {}

    def network(config):
        key = repr({k: v for k, v in config.to_dict().items() if k not in OF_THE_RUN})
        if key not in made:
            keras.utils.set_random_seed(3)
            new = Network(config, edge_losses(config))
            variables = new.training(config.IMAGE_SHAPE).variables
            made[key] = new, [(variable, to_numpy(variable)) for variable in variables]
        found, values = made[key]
        for variable, value in values:
            variable.assign(value)
        for layer in found.builder.layers.values():
            layer.trainable = True
        return found

    return network


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache of downloaded weights; neither that of this machine nor that of Keras is
    looked at.
    """
    monkeypatch.setenv("MRCNN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "home"
