"""`mrcnn check`: what makes training on a dataset fail or give wrong results."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mrcnn.cli.common import (
    FORMAT,
    OUTPUT,
    RUNS,
    ConfigOptions,
    FormatName,
    FormatOptions,
    Quiet,
    data_config,
    progress_bar,
)
from mrcnn.files.writing import write_json, write_text

if TYPE_CHECKING:
    from mrcnn.config import Config
    from mrcnn.data.checks.dataset import CheckedDataset
    from mrcnn.data.checks.statistics import InputSize
    from mrcnn.data.findings import Finding
    from mrcnn.data.recognition.formats import Options
    from mrcnn.data.recognition.recognise import Recognised
    from mrcnn.report.data_page import Subset


def check(
    dataset: Path,
    *,
    subset: Annotated[
        tuple[str, ...],
        Parameter(alias="--split", consume_multiple=1, negative=(), show_default=False),
    ] = (),
    settings: ConfigOptions = ConfigOptions(),
    format: Annotated[FormatName, Parameter(group=FORMAT)] = "auto",
    options: FormatOptions = FormatOptions(),
    out: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    quiet: Quiet = False,
) -> int:
    """Find what makes training on a dataset fail or give wrong results.

    ```
    mrcnn check datasets/coco --out report
    mrcnn check photos
    ```

    It prints a table and writes findings.json and report.html. --subset names the splits that are
    checked, and images that are in two of them are found. COCO's format is read entry by entry,
    however broken it is. The other formats (see `mrcnn convert --help`) are read by their own
    readers, which refuse a file that they cannot understand; images and objects are checked all the
    same.

    Every image is decoded. Sizes and anchors are those of --config (without it those that
    `mrcnn train` would take): objects are measured after resizing, and anchors that fit them better
    are proposed.

    Exit code: 0 without errors (there may be warnings and notes), 1 with errors, 2 where there is
    nothing to check. `mrcnn train` refuses errors; its --skip-bad leaves them out.

    Args:
        dataset: Folder or file of a dataset of any format.
        subset: Splits [default: train and val, or what there is].
        format: Format of the annotations.
        out: Folder of the report [default: runs/check/ and the name of the dataset].
    """
    from mrcnn.config_effects import CHECKED
    from mrcnn.data.checks.advice import class_advice
    from mrcnn.data.checks.files import duplicate_findings
    from mrcnn.data.checks.statistics import small_findings
    from mrcnn.data.findings import counts, table
    from mrcnn.data.recognition.recognise import recognise

    config = data_config(settings, dataset, CHECKED, "the check")
    source = recognise(dataset, format, options.of_format())
    checked = (
        open_coco(source, options.of_format(), subset, quiet, config)
        if source.format == "coco"
        else open_format(source, options.of_format(), subset, quiet, config)
    )
    findings = [finding for part in checked for finding in part.findings]
    findings += class_advice([(part.name, part.dataset) for part in checked])
    findings += duplicate_findings([(p.name, p.dataset, p.image_place) for p in checked])
    described = [describe(part, config) for part in checked]
    for part, description in zip(checked, described, strict=True):
        findings += small_findings(
            description.numbers,
            description.fit.ious[0],
            description.fit.anchors[0],
            part.name,
            part.place,
        )
    folder = out or RUNS / "check" / dataset.resolve().name
    written = write(dataset, folder, config, checked, findings, described)
    for part in checked:
        print(f"{part.name}: {part.looked_at}")
    print(table(findings))
    print(f"written: {', '.join(map(str, written))}")
    counted = counts(findings)
    print(", ".join(f"{name}s: {count:,}" for name, count in counted.items()))
    return 1 if counted["error"] else 0


def open_coco(
    source: "Recognised",
    options: "Options",
    subsets: tuple[str, ...],
    quiet: bool,
    config: "Config",
) -> "list[CheckedDataset]":
    """The splits of a dataset in COCO's format, with what is wrong with each of them."""
    from mrcnn.data.checks.coco import full_check, judge
    from mrcnn.data.datasets.coco import read_content
    from mrcnn.data.splits import ALL, choose_split

    usual = [name for name in source.splits if name in ("train", "val")]
    chosen = [choose_split(name, source.parts, source.path) for name in subsets]
    checked: list[CheckedDataset] = []
    for name in chosen or usual or source.parts:
        file = source.parts[name].path
        folder = options.images or source.parts[name].images or file.parent
        subset = judge(name or ALL, file, folder, read_content(file))
        subset.dataset.read_by(config)
        full_check(subset, progress_bar(f"decoding {name}", quiet))
        checked.append(subset)
    return checked


def open_format(
    source: "Recognised",
    options: "Options",
    subsets: tuple[str, ...],
    quiet: bool,
    config: "Config",
) -> "list[CheckedDataset]":
    """The splits of a dataset of another format; data that are not divided are one."""
    from mrcnn.data.checks.dataset import check_dataset
    from mrcnn.data.recognition.opening import open_splits
    from mrcnn.data.splits import ALL

    datasets = open_splits(source, subsets or None, options)
    for dataset in datasets.values():
        dataset.read_by(config)
    return [
        check_dataset(name or ALL, dataset, progress_bar(f"decoding {name or ALL}", quiet))
        for name, dataset in datasets.items()
    ]


def describe(checked: "CheckedDataset", config: "Config") -> "Subset":
    """The objects of a subset, as the network of the configuration sees them."""
    from mrcnn.data.checks.anchors import Anchors
    from mrcnn.data.checks.statistics import fit_anchors, measure
    from mrcnn.report.data_page import Subset

    numbers = measure(checked.dataset, input_size(config))
    anchors = Anchors(
        config.RPN_ANCHOR_SCALES,
        tuple(config.RPN_ANCHOR_RATIOS),
        config.BACKBONE_STRIDES,
        config.RPN_ANCHOR_STRIDE,
    )
    fit = fit_anchors(numbers, anchors)
    return Subset(checked.name, checked.looked_at, numbers, checked.dataset.class_names, fit)


def input_size(config: "Config") -> "InputSize":
    """How the configuration resizes images."""
    from mrcnn.data.checks.statistics import InputSize

    return InputSize(
        config.IMAGE_MIN_DIM,
        config.IMAGE_MAX_DIM,
        config.IMAGE_MIN_SCALE,
        config.IMAGE_RESIZE_MODE,
    )


def write(
    dataset: Path,
    out: Path,
    config: "Config",
    checked: "list[CheckedDataset]",
    findings: "list[Finding]",
    described: "list[Subset]",
) -> tuple[Path, Path]:
    """Write findings.json and report.html; returns their paths."""
    from mrcnn.data.checks.statistics import statistics
    from mrcnn.data.findings import counts, printable
    from mrcnn.report.data_page import data_page, pictured

    out.mkdir(parents=True, exist_ok=True)
    settings = input_size(config)
    content = {
        "dataset": str(dataset),
        "counts": counts(findings),
        "resized": settings._asdict(),
        "subsets": {
            subset.name: {
                "looked_at": subset.looked_at,
                "statistics": statistics(subset.numbers, subset.class_names),
                "anchors": subset.fit.to_dict(),
            }
            for subset in described
        },
        "findings": [finding.to_dict() for finding in findings],
    }
    file = out / "findings.json"
    write_json(file, content, indent=1)
    subsets = {subset.name: subset for subset in checked}
    pictures = {
        position: thumbnail(subsets[findings[position].subset], findings[position])
        for position in pictured(findings)
    }
    words = (
        f"Objects as they are once images are resized to {settings.min_dim} x {settings.max_dim} "
        f"pixels ({settings.mode!r})"
    )
    page = data_page(f"Check of {printable(dataset)}", findings, pictures, described, words)
    report = out / "report.html"
    write_text(report, page)
    return file, report


def thumbnail(subset: "CheckedDataset", finding: "Finding") -> bytes:
    """The image that a finding is about, with the outlines of the object."""
    from mrcnn.data.checks.files import TURNED
    from mrcnn.report.data_pictures import problem_picture, turned_picture

    path = subset.path_of(finding)
    if finding.code == TURNED and path is not None:
        return turned_picture(path, subset.all_outlines(finding))
    return problem_picture(path, subset.outlines_of(finding))
