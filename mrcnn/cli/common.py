"""What subcommands share: groups of options, and the datasets and configurations they stand for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter, Token

from mrcnn.errors import InputError

if TYPE_CHECKING:
    from mrcnn.config import Config
    from mrcnn.data.checks.files import Progress
    from mrcnn.data.datasets.dataset import Dataset
    from mrcnn.data.recognition.formats import Options
    from mrcnn.drawing.style import Style

STANDARD_DATASET = Path("datasets/coco")
SAMPLE_DATASET = Path("datasets/sample")
RUNS = Path("runs")  # as mrcnn.trained.LOGS, which is not imported for a help text

# Short names of backbones for an option. MobileNet at three quarters of its width, because that is
# what finetune.yaml was measured with.
SHORT: dict[str, dict[str, Any]] = {
    "mobilenet": {"BACKBONE": "MobileNet", "BACKBONE_ARGS": {"alpha": 0.75}},
    "mobilenetv2": {"BACKBONE": "MobileNetV2", "BACKBONE_ARGS": {}},
}

# A test compares them with `mrcnn.data.recognition.formats.FORMATS`.
FormatName = Literal[
    "auto", "coco", "via", "labelme", "voc", "yolo", "png", "objects", "cityscapes"
]


def backbone_settings(name: str) -> dict[str, Any]:
    """The settings that an option `--backbone` stands for: a short name, or a `BACKBONE`."""
    return dict(SHORT.get(name, {"BACKBONE": name, "BACKBONE_ARGS": {}}))


def whole_number(_: type, tokens: Sequence[Token]) -> int:
    """Convert an argument to an int; 1.5 is none."""
    value = tokens[0].value
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"{value!r} is no whole number") from None


WHOLE = Parameter(converter=whole_number)
SETTINGS = Group("Settings", sort_key=20)
MODEL = Group("Model", sort_key=10)
OUTPUT = Group("Output", sort_key=30)
PICTURES = Group("Pictures", sort_key=25)
FORMAT = Group("Format", sort_key=15)

DatasetFolder = Annotated[
    Path | None,
    Parameter(
        help="Dataset of any format (see `mrcnn convert --help`) "
        f"[default: {STANDARD_DATASET} if it exists, else a built-in sample]."
    ),
]
# A switch that has no opposite.
Switch = Annotated[bool, Parameter(negative=(), show_default=False)]
Quiet = Annotated[
    bool, Parameter(negative=(), show_default=False, group=OUTPUT, help="Show no progress bar.")
]
Workers = Annotated[
    int, WHOLE, Parameter(help="Processes that load images [default: threads].", show_default=False)
]

Batch = Annotated[
    int,
    WHOLE,
    Parameter(help="Images that go through the network together, where they fit one canvas."),
]


@Parameter(name="*", group=SETTINGS)
@dataclass(frozen=True, kw_only=True)
class ConfigOptions:
    """Where settings come from.

    Attributes:
        config: YAML file of config keys, or the name of one that is built in, such as
            paper/sobel_l2.
        set: Config keys, over those of the file; values are YAML.
    """

    config: str | None = None
    set: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=1, metavar="KEY=VALUE", show_default=False),
    ] = ()


@Parameter(name="*", group=SETTINGS)
@dataclass(frozen=True, kw_only=True)
class ModelOptions(ConfigOptions):
    """A trained model.

    Attributes:
        weights: Weight file, checkpoint, run folder, 'last' for the newest run, or a model of COCO
            by its name: 'torchvision', 'torchvision-v2', 'matterport'.
        config: YAML file of config keys, or the name of one that is built in [default: config.yaml
            beside the weights].
        set: Config keys, over those of the file; values are YAML.
    """

    weights: Annotated[str, Parameter(group=MODEL)]


@Parameter(name="*", group=PICTURES)
@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """What is drawn of objects.

    Attributes:
        boxes: Draw boxes.
        labels: Draw labels. They keep off each other and off small objects; those that find no
            place are counted in a corner.
        max_labels: At most so many labels on a picture, those of the highest scores.
        line_width: Pixels of boxes and outlines [default: fits the picture].
    """

    boxes: bool = True
    labels: bool = True
    max_labels: Annotated[int, WHOLE] = 40
    line_width: Annotated[float | None, Parameter(show_default=False)] = None

    def style(self, color_by: str, min_score: float = 0.0) -> "Style":
        """As an argument of drawing functions.

        Raises:
            InputError: A number is out of its range.
        """
        from mrcnn.drawing.style import ColorBy, Style

        return Style(**vars(self), color_by=ColorBy(color_by), min_score=min_score)


@Parameter(name="*", group=FORMAT)
@dataclass(frozen=True, kw_only=True)
class FormatOptions:
    """What some formats of annotations need to be told.

    Attributes:
        masks: png, objects: folder of the masks.
        images: coco, via: folder of the images [default: found near the file].
        attribute: via: the attribute of regions that is the class.
        class_name: via, png, objects: the one class.
        classes: via, labelme, voc: classes in order, joined by commas.
    """

    masks: Path | None = None
    images: Path | None = None
    attribute: str | None = None
    class_name: str | None = None
    classes: str | None = None

    def of_format(self) -> "Options":
        """As the formats take them.

        Raises:
            InputError: A class has no name.
        """
        from mrcnn.data.recognition.formats import Options

        classes = self.classes
        names = None if classes is None else tuple(name.strip() for name in classes.split(","))
        if names is not None and not all(names):
            raise InputError(f"--classes must be names joined by commas, got {classes!r}")
        return Options(**{**vars(self), "classes": names})


def dataset_folder(folder: Path | None) -> Path:
    """The dataset's folder: the given one, COCO in its standard place, or the built-in sample, made
    if need be.
    """
    from mrcnn.data.datasets.toy_sample import generate_sample

    if folder is not None:
        return folder
    if (STANDARD_DATASET / "annotations").is_dir():
        print(f"dataset: {STANDARD_DATASET}")
        return STANDARD_DATASET
    print(f"dataset: the built-in sample in {SAMPLE_DATASET} (give a folder to take your own data)")
    return generate_sample(SAMPLE_DATASET)


def open_dataset(
    folder: Path | None,
    split: str | None,
    format: str = "auto",
    options: "FormatOptions | None" = None,
    usual: str = "train",
) -> "Dataset":
    """A split of a dataset, prepared; without a name the usual one, or all of data that are not
    divided.
    """
    from mrcnn.data.recognition.opening import open_split
    from mrcnn.data.recognition.recognise import recognise

    told = options.of_format() if options else None
    found = recognise(dataset_folder(folder), format, told)
    if split is not None:
        found.only(split)  # refuses one that there is not
    return open_split(found, split or usual, told)


def refuse_wrong_names(
    dataset: Path | None,
    format: str,
    told: FormatOptions,
    settings: ConfigOptions,
    weights: str | None,
    words: tuple[str, ...],
) -> None:
    """Refuse what names nothing, before a network library is loaded: that takes seconds.

    Args:
        dataset: That the command is given.
        format: Of its annotations.
        told: What the format is told.
        settings: Where settings come from.
        weights: That the command is given.
        words: What `weights` may be besides a file or folder.

    Raises:
        InputError: There is no such dataset, configuration or weight file.
    """
    from mrcnn.config_io import find_config, parse_overrides
    from mrcnn.data.recognition.recognise import recognise
    from mrcnn.hub.words import refuse_unknown_weights

    if weights is not None:
        refuse_unknown_weights(weights, words)
    if settings.config is not None:
        find_config(settings.config)
    parse_overrides(settings.set)
    if dataset is not None:
        recognise(dataset, format, told.of_format())


def progress_bar(title: str, quiet: bool = False) -> "Progress":
    """A progress bar over images."""
    from tqdm import tqdm

    def wrapped(images: Iterable, total: int) -> Iterable:
        # None: no bar where there is no terminal.
        return tqdm(images, title, total, unit="image", disable=quiet or None, leave=False)

    return wrapped


def data_config(
    options: ConfigOptions, folder: Path, acting: tuple[str, ...], what: str
) -> "Config":
    """The configuration that the options name, else the standard one for the dataset in `folder`;
    `--set` on top.

    Args:
        options: Of a command that looks at data.
        folder: Of the dataset.
        acting: The keys that the command depends on.
        what: What it does, for the message.

    Raises:
        InputError: There is none, or a key of `--set` has no effect on the command.
    """
    from mrcnn.config_effects import refuse_all_but
    from mrcnn.config_io import load_config, parse_overrides
    from mrcnn.data.reading.header import allow_pixels

    settings = parse_overrides(options.set)
    config = load_config(options.config or default_config(folder)).update(**settings)
    refuse_all_but(acting, settings, what)
    allow_pixels(config.IMAGE_MAX_PIXELS)
    return config


def default_config(folder: Path) -> str:
    """The name of the standard configuration for the dataset in `folder`: the paper's for COCO
    itself, that of the sample for the built-in sample, and for all other data `finetune`.
    """
    if folder.resolve() == SAMPLE_DATASET.resolve():
        return "sample"
    if folder.resolve() == STANDARD_DATASET.resolve() or _is_coco(folder):
        return "base_resnet101"
    return "finetune"


def _is_coco(folder: Path) -> bool:
    """Whether a folder has the training annotations of COCO 2014 or 2017: 330 MB and more."""
    files = folder.glob("annotations/instances_train201[47].json")
    return any(file.stat().st_size > 100_000_000 for file in files)


def trained_config(options: ModelOptions, instead: dict[str, str] | None = None) -> "Config":
    """The configuration of trained weights: `--config`, else config.yaml beside them, with `--set`
    on top.

    Args:
        options: Of the command.
        instead: For keys that an option of the command sets, what to do.

    Raises:
        InputError: There is none, or a key of `--set` has no effect on detection.
    """
    from mrcnn.config_effects import refuse_idle_for_detection
    from mrcnn.config_io import parse_overrides
    from mrcnn.data.reading.header import allow_pixels
    from mrcnn.trained import config_of, find_weights

    settings = parse_overrides(options.set)
    config = config_of(find_weights(options.weights), options.config).update(**settings)
    refuse_idle_for_detection(settings, instead)
    allow_pixels(config.IMAGE_MAX_PIXELS)
    return config
