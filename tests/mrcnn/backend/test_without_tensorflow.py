"""With another backend, nothing needs TensorFlow: here it is hidden from the import system."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import importlib, importlib.abc, pkgutil, sys

class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hide())

import edge_agreement, mrcnn
names = [
    module.name
    for package in (edge_agreement, mrcnn)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    # TensorFlow's own kernels; a program; data.
    if module.name not in ("mrcnn.backend.tensorflow", "mrcnn.__main__")
]
for name in names:
    importlib.import_module(name)

import keras
from mrcnn.config import Config
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.model import MaskRCNN

folder = generate_sample(sys.argv[1] + "/sample", train=4, val=3, size=64)
dataset = CocoDataset.from_folder(folder, "train")
config = Config().update(**{settings})
model = MaskRCNN("training", config, sys.argv[1])
outcome = model.train(dataset, None, config.LEARNING_RATE, epochs=1, layers="all")
assert outcome.step == 1, outcome
weights = model.find_last()

model = MaskRCNN("inference", config.update(DETECTION_MIN_CONFIDENCE=0.0), sys.argv[1])
model.load_weights(weights, verbose=False)
(found,) = model.detect([dataset.load_image(0)])
assert found["masks"].shape[:2] == (64, 64)
assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules
print(len(names), "modules,", len(found["scores"]), "objects")
"""


@pytest.mark.slow
def test_training_and_detecting_on_jax(tiny_settings, tmp_path):
    settings = {
        **tiny_settings, "NUM_CLASSES": 6, "IMAGES_PER_GPU": 1, "STEPS_PER_EPOCH": 1,
        "VALIDATION_STEPS": 0,
    }  # fmt: skip
    environment = {
        **os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu",
    }  # fmt: skip
    outcome = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(settings=settings), str(tmp_path)],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stderr
    modules, objects = outcome.stdout.splitlines()[-1].split(" modules, ")
    assert int(modules) > 80 and int(objects.split()[0]) > 0
