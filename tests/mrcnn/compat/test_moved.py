"""Public names of release 0.1.0, as listed from its source, can still be imported."""

import importlib
import json
from pathlib import Path

import pytest

from mrcnn.compat.moved import MODULES, NAMES, moved_name

PUBLIC = json.loads(Path(__file__).with_name("public_names_0_1_0.json").read_text("utf-8"))


@pytest.mark.parametrize("module", PUBLIC)
def test_names_of_release_0_1_0_are_importable(module):
    imported = importlib.import_module(module)
    missing = [name for name in PUBLIC[module] if not hasattr(imported, name)]
    assert missing == []


def test_an_old_name_is_the_new_one():
    from mrcnn.data.coco import CocoDataset as old

    from mrcnn.data.datasets.coco import CocoDataset as new

    assert old is new


def test_every_old_module_was_one_and_none_is_now():
    root = Path(importlib.import_module("mrcnn").__file__).parents[1]
    for name in MODULES:
        assert not root.joinpath(*name.split(".")).with_suffix(".py").exists()
    assert NAMES.keys() <= {*MODULES, *PUBLIC}


def test_a_name_that_never_was_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'NoSuchThing'"):
        moved_name("mrcnn.config", "NoSuchThing")
    with pytest.raises(ImportError):
        from mrcnn.config import NoSuchThing  # noqa: F401
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("mrcnn.data.no_such_module")


def test_settings_for_the_weights_of_torchvision_are_those_of_the_configuration():
    from mrcnn.modeling.torchvision import SETTINGS

    from mrcnn.config_io import load_config

    config = load_config("torchvision_resnet50")
    assert config.update(**SETTINGS).to_dict() == config.to_dict()
