"""`mrcnn check`: what makes training on a dataset fail or give wrong results."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from mrcnn.cli.common import FORMAT, OUTPUT, ConfigOptions, FormatName, FormatOptions, Quiet

if TYPE_CHECKING:
    from mrcnn.config import Config
    from mrcnn.data.checks.dataset import CheckedDataset
    from mrcnn.data.checks.files import Progress
    from mrcnn.data.checks.statistics import InputSize
    from mrcnn.data.findings import Finding
    from mrcnn.report.data_page import Subset

COCO: Literal["coco"] = "coco"


def check(
    dataset: Path,
    *,
    subset: Annotated[
        tuple[str, ...], Parameter(consume_multiple=1, negative=(), show_default=False)
    ] = (),
    settings: ConfigOptions = ConfigOptions(),
    format: Annotated[Literal["coco"] | FormatName, Parameter(group=FORMAT)] = COCO,
    options: FormatOptions = FormatOptions(),
    out: Annotated[Path, Parameter(group=OUTPUT)] = Path("runs/check"),
    quiet: Quiet = False,
) -> int:
    """Find what makes training on a dataset fail or give wrong results.

    ```
    mrcnn check datasets/coco --out runs/check
    mrcnn check cells/train/via_region_data.json --format via
    ```

    It prints a table and writes findings.json and report.html. A dataset in COCO's layout is read
    entry by entry, however broken it is; --subset names what is checked, and images that are in two
    subsets are found. The other formats (see `mrcnn convert --help`) are read by their own readers,
    which refuse a file that they cannot understand; images and objects are checked all the same.

    Every image is decoded. Sizes and anchors are those of --config (base_resnet101 without it):
    objects are measured after resizing, and anchors that fit them better are proposed.

    Exit code: 0 without errors (there may be warnings and notes), 1 with errors, 2 where there is
    nothing to check. `mrcnn train` refuses errors; its --skip-bad leaves them out.

    Args:
        dataset: Folder in COCO's layout, or what --format reads.
        subset: Subsets [default: train, and of COCO's format val if it is there].
        format: Format of the annotations.
        out: Folder of the report.
    """
    from mrcnn.config_io import load_config, parse_overrides
    from mrcnn.data.checks.advice import class_advice
    from mrcnn.data.checks.files import duplicate_findings
    from mrcnn.data.checks.statistics import small_findings
    from mrcnn.data.findings import counts, table

    config = load_config(settings.config or "base_resnet101").update(
        **parse_overrides(settings.set)
    )
    checked = (
        open_subsets(dataset, subset, quiet)
        if format == COCO
        else open_format(dataset, format, options, subset or ("train",), quiet)
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
    for part in checked:
        print(f"{part.name}: {part.looked_at}")
    print(table(findings))
    write(dataset, out, config, checked, findings, described)
    counted = counts(findings)
    print(", ".join(f"{name}s: {count:,}" for name, count in counted.items()))
    return 1 if counted["error"] else 0


def open_subsets(folder: Path, subsets: tuple[str, ...], quiet: bool) -> "list[CheckedDataset]":
    """The subsets of a dataset in COCO's layout, with what is wrong with each of them."""
    from mrcnn.data.checks.coco import full_check, read_subset
    from mrcnn.data.datasets.coco import find_year

    names = subsets or ("train",)
    if not subsets and any((folder / "annotations").glob("instances_val*.json")):
        names = ("train", "val")
    checked: list[CheckedDataset] = []
    for name in names:
        subset = read_subset(folder, name, find_year(folder, names[0]))
        full_check(subset, bar(name, quiet))
        checked.append(subset)
    return checked


def open_format(
    path: Path, format: str, options: FormatOptions, subsets: tuple[str, ...], quiet: bool
) -> "list[CheckedDataset]":
    """The subsets of a dataset of another format."""
    from mrcnn.data.checks.dataset import check_dataset
    from mrcnn.data.datasets.formats import FORMATS, Source

    sources = [Source(path=path, subset=name, **options.of_source()) for name in subsets]
    return [
        check_dataset(source.subset, FORMATS[format](source), bar(source.subset, quiet))
        for source in sources
    ]


def bar(subset: str, quiet: bool) -> "Progress":
    """A progress bar over images that are decoded."""
    from tqdm import tqdm

    def wrapped(images: Iterable, total: int) -> Iterable:
        return tqdm(images, f"decoding {subset}", total, unit="image", disable=quiet, leave=False)

    return wrapped


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
) -> None:
    """Write findings.json and report.html."""
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
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")
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
    report.write_text(page, encoding="utf-8")
    print(f"written: {file}, {report}")


def thumbnail(subset: "CheckedDataset", finding: "Finding") -> bytes:
    """The image that a finding is about, with the outlines of the object."""
    from mrcnn.report.data_pictures import problem_picture

    return problem_picture(subset.path_of(finding), subset.outlines_of(finding))
