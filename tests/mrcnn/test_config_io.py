"""Configurations as YAML files and as `KEY=VALUE`, found by path or by name."""

from pathlib import Path

import pytest
import yaml

from mrcnn import config_io
from mrcnn.config import Config
from mrcnn.config_io import config_names, find_config, load_config, parse_overrides, save_config
from mrcnn.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


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
    with pytest.raises(InputError, match="binary.yaml is no text in UTF-8"):
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


def test_names_are_the_files_of_the_folder_configs():
    files = {path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.yaml")}
    assert {Path(f"{name}.yaml") for name in config_names()} == files
    assert {"sample", "base_resnet50", "paper/sobel_l2"} <= set(config_names())


@pytest.mark.parametrize("name", config_names())
def test_each_is_valid_and_in_the_table(name):
    load_config(name)
    assert f"| `{name}` |" in (ROOT / "configs" / "README.md").read_text("utf-8")


def test_a_name_and_a_path_are_the_same():
    by_path = load_config(ROOT / "configs" / "paper" / "sobel_l2.yaml").to_dict()
    assert load_config("paper/sobel_l2").to_dict() == by_path
    assert (by_path["EDGE_LOSS_FILTERS"], by_path["BACKBONE"]) == (["sobel"], "resnet101")


def test_a_file_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample").write_text("NAME: mine\n")
    assert load_config("sample").NAME == "mine"


@pytest.mark.parametrize("base", ["base_resnet50", "other.yaml"])
def test_base_is_a_name_or_a_file_beside(tmp_path, base):
    (tmp_path / "other.yaml").write_text("BACKBONE: resnet50\n")
    (tmp_path / "mine.yaml").write_text(f"BASE: {base}\nNAME: mine\n")
    config = load_config(tmp_path / "mine.yaml")
    assert (config.NAME, config.BACKBONE) == ("mine", "resnet50")


def test_base_is_not_searched_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "there.yaml").write_text("NAME: there\n")
    (tmp_path / "a" / "mine.yaml").write_text("BASE: there.yaml\n")
    with pytest.raises(InputError, match=r"there\.yaml does not exist"):
        load_config(tmp_path / "a" / "mine.yaml")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("paper/sobel_l3", "paper/sobel_l2"),
        ("base_resnet5", "base_resnet50"),
        ("smaple", "sample"),
        # Where they were in the last release.
        ("configs/paper_sobel_l2.yaml", "paper/sobel_l2"),
        ("configs/sample.yaml", "sample"),
    ],
)
def test_a_wrong_name_lists_the_near_ones(wrong, near, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        find_config(wrong)
    listed = str(caught.value).partition("the nearest: ")[2].split(", ")
    assert near in listed and wrong in str(caught.value)
    assert len(listed) < len(config_names())


def test_a_name_that_is_near_none_lists_all():
    with pytest.raises(InputError) as caught:
        find_config("xyz")
    assert all(name in str(caught.value) for name in config_names())


def test_the_folder_may_be_missing(tmp_path, monkeypatch):
    """A file of one's own needs none of the configurations that are built in."""
    monkeypatch.setattr(config_io, "CONFIGS", tmp_path / "gone")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"NAME": "mine"}))
    assert load_config(tmp_path / "mine.yaml").NAME == "mine"


def test_saved_settings_are_whole_or_refused(tmp_path):
    """After a kill in the middle of a write of earlier versions, or on a disk that lost its end."""
    path = tmp_path / "config.yaml"
    save_config(Config().update(NAME="x"), path)
    whole = path.read_text()
    for length in range(0, len(whole) - 2, 97):
        path.write_text(whole[:length])
        with pytest.raises(
            InputError, match=r"config\.yaml (is empty|is cut off|is no valid YAML)"
        ):
            load_config(path)
    path.write_bytes(bytes(4096))
    with pytest.raises(InputError, match="is empty"):
        load_config(path)
    path.write_text(whole)
    assert load_config(path).NAME == "x"


def test_settings_that_did_not_change_are_not_written(tmp_path):
    path = tmp_path / "config.yaml"
    save_config(Config(), path)
    before = path.stat()
    save_config(Config(), path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    save_config(Config().update(NAME="y"), path)
    assert load_config(path).NAME == "y"


@pytest.mark.parametrize(
    "text", ["9" * 5000, "[" * 3000, "!!bool x", "2000-13-01", "!!python/object:os.system {}"]
)
def test_yaml_that_cannot_be_read_is_one_line(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(f"NAME: {text}\n")
    with pytest.raises(InputError, match=r"a\.yaml is no valid YAML"):
        load_config(path)
    with pytest.raises(InputError, match=r"of NAME is no valid YAML") as caught:
        parse_overrides([f"NAME={text}"])
    assert len(str(caught.value)) < 600
