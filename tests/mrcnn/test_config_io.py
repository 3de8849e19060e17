"""Configurations as YAML files and as `KEY=VALUE`: what is read, written and refused."""

import pytest
import yaml

from mrcnn.config import Config
from mrcnn.config_io import load_config, parse_overrides, save_config
from mrcnn.errors import InputError


def test_yaml_round_trip(tmp_path):
    path = tmp_path / "config.yaml"
    config = Config().update(
        NAME="x", EDGE_LOSS_FILTERS=["sobel"], MASK_SHAPE=(14, 14), SCHEDULE=[("5+", 7, 0.5)]
    )
    save_config(config, path)
    assert load_config(path).to_dict() == config.to_dict()
    assert yaml.safe_load(path.read_text())["MASK_SHAPE"] == [14, 14]


def test_yaml_base_is_relative_to_its_file(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "base.yaml").write_text("NUM_CLASSES: 4\nSEED: 1\n")
    (tmp_path / "sub" / "top.yaml").write_text("BASE: ../base.yaml\nSEED: 2\n")
    config = load_config(tmp_path / "sub" / "top.yaml")
    assert (config.NUM_CLASSES, config.SEED) == (4, 2)


def test_yaml_goes_on_top_of_a_given_config(tmp_path):
    path = tmp_path / "top.yaml"
    path.write_text("SEED: 2\n")
    config = load_config(path, base=Config().update(NUM_CLASSES=9, SEED=1))
    assert (config.NUM_CLASSES, config.SEED) == (9, 2)


def test_empty_yaml_changes_nothing(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    assert load_config(path).to_dict() == Config().to_dict()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SEEDS: 1", "Did you mean 'SEED'"),
        ("- SEED", "must hold 'KEY: value' lines, got list"),
        ("SEED: [", "no valid YAML"),
        ("1: 2", "must hold 'KEY: value' lines"),
        ("BASE: missing.yaml", "missing.yaml does not exist"),
        ("BASE: bad.yaml", "BASE refers back to itself"),
        ("SEED: !!python/object/apply:os.getcwd []", "no valid YAML"),
    ],
)
def test_bad_yaml_is_refused(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_config(path)


def test_missing_yaml_and_binary_yaml_are_refused(tmp_path):
    with pytest.raises(InputError, match="none.yaml does not exist"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x9f")
    with pytest.raises(InputError, match="no valid YAML"):
        load_config(tmp_path / "binary.yaml")


def test_overrides_are_yaml():
    assert parse_overrides(["SEED=3", "EDGE_LOSS_FILTERS=[sobel]", "NAME=a=b", "FLIP=false"]) == {
        "SEED": 3,
        "EDGE_LOSS_FILTERS": ["sobel"],
        "NAME": "a=b",
        "FLIP": False,
    }


@pytest.mark.parametrize(
    ("pair", "message"), [("SEED", "KEY=VALUE, got 'SEED'"), ("SEED=[", "no valid YAML")]
)
def test_bad_overrides_are_refused(pair, message):
    with pytest.raises(InputError, match=message):
        parse_overrides([pair])
