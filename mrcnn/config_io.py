"""Configurations as YAML files and as `KEY=VALUE` of a command line."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from mrcnn.config import Config
from mrcnn.errors import InputError
from mrcnn.files.reading import parse_yaml, read_text
from mrcnn.files.writing import write_text

Stage = tuple[str, int, float]

# The folder configs/ of a checkout is packed into a wheel as mrcnn/configs/.
CONFIGS = next(
    (
        folder
        for folder in (Path(__file__).parent / "configs", Path(__file__).parents[1] / "configs")
        if folder.is_dir()
    ),
    Path(__file__).parent / "configs",
)


# The first and the last line of a file that `save_config` wrote.
_SAVED, _SAVED_END = "# All settings of a run.", "# End of the settings."


def config_names() -> list[str]:
    """The names of the configurations that are built in, such as "paper/sobel_l2"."""
    files = CONFIGS.rglob("*.yaml")
    return sorted(file.relative_to(CONFIGS).with_suffix("").as_posix() for file in files)


def find_config(name: str | Path, folder: str | Path = "") -> Path:
    """The file of a configuration.

    Args:
        name: A path, or one of `config_names`.
        folder: What a path is relative to.

    Raises:
        InputError: There is none; the message names the ones that are near.
    """
    path = Path(folder) / name
    if path.is_file():
        return path
    names, wanted = config_names(), Path(name).as_posix()
    if wanted in names:
        return CONFIGS / f"{wanted}.yaml"
    raise InputError(
        f"config file {name} does not exist, and no configuration of that name is built in; "
        f"the nearest: {_near(wanted, names)}"
    )


def load_config(path: str | Path, base: Config | None = None) -> Config:
    """Read a YAML file of config keys.

    Its key `BASE` names another one to start from: a file, relative to it, or one that is built in.
    A `LEARNING_RATE` over the `SCHEDULE` of a base is that of its first stage, see `with_rate`.

    Args:
        path: The file, or the name of a configuration that is built in.
        base: What it changes; None for the defaults.

    Raises:
        InputError: No such file, no valid YAML, an unknown key or a value of the wrong type.
    """
    settings: dict[str, Any] = {}
    rate_acts = False
    for layer in _read_yaml(find_config(path), seen=()):
        settings.update(layer)
        rate_acts = "SCHEDULE" not in layer and (rate_acts or "LEARNING_RATE" in layer)
    try:
        config = (base or Config()).update(**settings)
        return with_rate(config, config.LEARNING_RATE) if rate_acts else config
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def plain_settings(config: Config) -> dict[str, Any]:
    """All settings as values of JSON; a callable backbone is a text that no network has."""
    settings = {name: _plain(value) for name, value in config.to_dict().items()}
    if callable(config.BACKBONE):
        settings["BACKBONE"] = f"callable:{getattr(config.BACKBONE, '__name__', 'backbone')}"
    return settings


def save_config(config: Config, path: str | Path) -> None:
    """Write all settings as YAML, in a form that `load_config` reads back; a file that holds them
    already is left as it is.
    """
    settings = plain_settings(config)
    text = f"{_SAVED}\n{yaml.safe_dump(settings, sort_keys=False)}{_SAVED_END}\n"
    path = Path(path)
    if not (path.is_file() and path.read_bytes() == text.encode()):
        write_text(path, text)


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Turn `["KEY=VALUE", ...]` of a command line into settings; values are YAML."""
    settings = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise InputError(f"an override is KEY=VALUE, got {pair!r}")
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        settings[name.strip()] = parse_yaml(text, f"the value {shown!r} of {name}")
    return settings


def _read_yaml(path: Path, seen: tuple[Path, ...]) -> list[dict[str, Any]]:
    """The settings of the file at the bottom of a chain of `BASE`, then those of each over it."""
    if path.resolve() in seen:
        raise InputError(f"{path}: BASE refers back to itself")
    text = read_text(path)
    if not text.strip("\0 \n"):
        raise InputError(f"{path} is empty: there are no settings in it")
    if text.startswith(_SAVED) and not text.rstrip().endswith(_SAVED_END):
        raise InputError(f"{path} is cut off: its last line must be {_SAVED_END!r}")
    settings = parse_yaml(text, str(path)) or {}
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise InputError(f"{path} must hold 'KEY: value' lines, got {type(settings).__name__}")
    # Configurations of runs before release 0.2.0 have it; it follows from the others.
    settings.pop("_default_mask_weight", None)
    base = settings.pop("BASE", None)
    if base is None:
        return [settings]
    return [*_read_yaml(find_config(str(base), path.parent), (*seen, path.resolve())), settings]


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


def _near(wanted: str, names: list[str]) -> str:
    """The names that may be meant, joined; all of them where none is near."""
    # As a file of a checkout, and as such a file was called before there were folders.
    wanted = wanted.removeprefix("configs/").removesuffix(".yaml")
    close = [
        name
        for form in (wanted, wanted.replace("_", "/", 1))
        for name in difflib.get_close_matches(form, names, n=4, cutoff=0.6)
    ]
    return ", ".join(dict.fromkeys(close)) or ", ".join(names)


def _plain(value: Any) -> Any:
    """Nested tuples as lists, for YAML."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
