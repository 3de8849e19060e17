"""Configurations as YAML files and as `KEY=VALUE` of a command line."""

from pathlib import Path
from typing import Any

import yaml

from mrcnn.config import Config
from mrcnn.errors import InputError


def load_config(path: str | Path, base: Config | None = None) -> Config:
    """Read a YAML file of config keys; its key `BASE` names another file, relative to it, to start
    from.

    Raises:
        InputError: No such file, no valid YAML, an unknown key or a value of the wrong type.
    """
    settings = _read_yaml(Path(path), seen=())
    try:
        return (base or Config()).update(**settings)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def save_config(config: Config, path: str | Path) -> None:
    """Write all settings as YAML, in a form that `load_config` reads back."""
    settings = {name: _plain(value) for name, value in config.to_dict().items()}
    if callable(config.BACKBONE):
        settings["BACKBONE"] = f"callable:{getattr(config.BACKBONE, '__name__', 'backbone')}"
    Path(path).write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """Turn `["KEY=VALUE", ...]` of a command line into settings; values are YAML."""
    settings = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise InputError(f"an override is KEY=VALUE, got {pair!r}")
        try:
            settings[name.strip()] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise InputError(f"the value of {name} is no valid YAML: {text!r}") from None
    return settings


def _read_yaml(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"config file {path} does not exist")
    if path.resolve() in seen:
        raise InputError(f"{path}: BASE refers back to itself")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no valid YAML: {error}") from None
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise InputError(f"{path} must hold 'KEY: value' lines, got {type(settings).__name__}")
    base = settings.pop("BASE", None)
    if base is None:
        return settings
    inherited = _read_yaml(path.parent / str(base), (*seen, path.resolve()))
    return {**inherited, **settings}


def _plain(value: Any) -> Any:
    """Nested tuples as lists, for YAML."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
