"""Configurations as YAML files and as `KEY=VALUE` of a command line."""

from pathlib import Path
from typing import Any

import yaml

from mrcnn.config import Config
from mrcnn.errors import InputError

Stage = tuple[str, int, float]


def load_config(path: str | Path, base: Config | None = None) -> Config:
    """Read a YAML file of config keys; its key `BASE` names another file, relative to it, to start
    from.

    A `LEARNING_RATE` over the `SCHEDULE` of a base is that of its first stage, see `with_rate`.

    Raises:
        InputError: No such file, no valid YAML, an unknown key or a value of the wrong type.
    """
    settings: dict[str, Any] = {}
    rate_acts = False
    for layer in _read_yaml(Path(path), seen=()):
        settings.update(layer)
        rate_acts = "SCHEDULE" not in layer and (rate_acts or "LEARNING_RATE" in layer)
    try:
        config = (base or Config()).update(**settings)
        return with_rate(config, config.LEARNING_RATE) if rate_acts else config
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


def _read_yaml(path: Path, seen: tuple[Path, ...]) -> list[dict[str, Any]]:
    """The settings of the file at the bottom of a chain of `BASE`, then those of each over it."""
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
        return [settings]
    return [*_read_yaml(path.parent / str(base), (*seen, path.resolve())), settings]


def with_rate(config: Config, rate: float) -> Config:
    """The configuration with another `LEARNING_RATE`, which also is the rate of the first stage of
    `SCHEDULE`; those of the other stages keep their ratio to it.
    """
    config = config.update(LEARNING_RATE=rate, LEARNING_RATE_BATCH=None)
    return config.update(SCHEDULE=rescaled(config.SCHEDULE, config.LEARNING_RATE))


def rescaled(schedule: list[Stage], rate: float) -> list[Stage]:
    """A schedule whose first rate is `rate`."""
    first = schedule[0][2] if schedule else rate
    return [(layers, length, rate * own / first) for layers, length, own in schedule]


def _plain(value: Any) -> Any:
    """Nested tuples as lists, for YAML."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
