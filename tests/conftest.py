"""Fixtures shared by all tests: material from outside the repository is found by environment
variables.
"""

import http.server
import os
import runpy
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def _material(variable: str, what: str) -> Path:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set: it names the folder of {what}")
    return Path(folder)


@pytest.fixture(scope="session")
def coco_dir() -> Path:
    """A small piece of MS COCO 2017 in COCO's own layout."""
    return _material("MRCNN_COCO_DIR", "a piece of MS COCO 2017")


@pytest.fixture(scope="session")
def parity_dir() -> Path:
    """Reference values computed with the original code."""
    return _material("MRCNN_PARITY_DIR", "reference values of the original code")


@pytest.fixture(scope="session")
def parity_weights(parity_dir, tmp_path_factory) -> Path:
    """The weight file that the reference values were computed with, ResNet-50."""
    path = tmp_path_factory.mktemp("parity") / "weights.h5"
    runpy.run_path(str(parity_dir / "make_weights.py"))["main"]("resnet50", path)
    return path


@pytest.fixture(scope="session")
def weights_dir() -> Path:
    """ImageNet weights of a MobileNet."""
    return _material("MRCNN_WEIGHTS_DIR", "ImageNet weights")


def _compiled(function):
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if backend == "jax":
        import jax

        return jax.jit(function)
    return function


@pytest.fixture(scope="session")
def compiled():
    """Compile a function: by XLA, on PyTorch it stays as it is."""
    return _compiled


@contextmanager
def _eagerly():
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def eagerly():
    """`with eagerly():` runs step by step what is compiled otherwise.

    On TensorFlow the first compiled step of a tiny network takes 5 seconds of a core; one like this
    takes 0.4. That both compute the same is tested in `tests/mrcnn/modeling/test_network.py`.
    """
    return _eagerly


@pytest.fixture
def eager():
    """The same for a whole test."""
    with _eagerly():
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)


TINY = {
    "NAME": "tiny",
    "NUM_CLASSES": 4,
    "BACKBONE": "small",
    "BACKBONE_ARGS": {"width": 8},
    "TOP_DOWN_PYRAMID_SIZE": 16,
    "RPN_CHANNELS": 16,
    "FPN_CLASSIF_FC_LAYERS_SIZE": 16,
    "MASK_HEAD_CHANNELS": 8,
    "IMAGE_MIN_DIM": 64,
    "IMAGE_MAX_DIM": 64,
    "RPN_ANCHOR_SCALES": [8, 16, 24, 32, 48],
    "RPN_TRAIN_ANCHORS_PER_IMAGE": 32,
    "PRE_NMS_LIMIT": 200,
    "POST_NMS_ROIS_TRAINING": 50,
    "POST_NMS_ROIS_INFERENCE": 50,
    "TRAIN_ROIS_PER_IMAGE": 20,
    "MAX_GT_INSTANCES": 8,
    "DETECTION_MAX_INSTANCES": 10,
    "STEPS_PER_EPOCH": 4,
    "VALIDATION_STEPS": 1,
    "EDGE_LOSS_FILTERS": ["sobel"],
}


@pytest.fixture(scope="session")
def tiny_settings() -> dict:
    """Settings of a network that computes a step in milliseconds."""
    return dict(TINY)


@pytest.fixture
def tiny_config(tiny_settings):
    """The configuration of that network."""
    from mrcnn.config import Config

    return Config().update(**tiny_settings)


class FaultyHandler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files` by their paths, and `server.content` for every other path.

    The first of `server.faults` says what goes wrong with a request.
    """

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        server, headers = self.server, dict(self.headers)
        server.requests.append(headers)
        fault = server.faults.pop(0) if server.faults else ""
        content, start = server.files.get(self.path, server.content), 0
        if isinstance(fault, int) or content is None:
            self.send_error(fault or 404)
            return
        same = headers.get("If-Range") == server.etag
        if "Range" in headers and same and fault != "no ranges":
            start = int(headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            first = start + 1 if fault == "other range" else start
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        claimed = len(body) + (1000 if fault == "claims more" else 0)
        claimed = 1000 if fault == "claims less" else claimed
        if fault != "no length":
            self.send_header("Content-Length", str(claimed))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if fault == "breaks off":
            body = body[: len(body) // 3]
        if fault == "corrupts":
            body = bytes(len(body) // 2)
        try:
            if fault == "stalls":
                self.wfile.write(body[:1000])
                server.released.wait(5)
                return
            if fault == "throttles":
                for index in range(0, len(body), 60_000):
                    self.wfile.write(body[index : index + 60_000])
                    time.sleep(0.02)
                return
            self.wfile.write(body)
        except OSError:
            # The other side has hung up, as it should when more comes than was announced.
            pass


@pytest.fixture
def web_server():
    """A server on this machine that breaks off, waits, lies and refuses as `faults` says."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), FaultyHandler) as server:
        server.content, server.files, server.etag = None, {}, '"one"'
        server.faults, server.requests, server.released = [], [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()
