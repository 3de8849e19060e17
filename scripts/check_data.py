"""Find what makes training on a dataset fail or lie: a table, findings.json and report.html.

    python scripts/check_data.py --dataset datasets/coco --out runs/check
    python scripts/check_data.py --format via --dataset cells/train/via_region_data.json

A dataset in COCO's layout is read entry by entry, however broken it is; --subset names what is
checked (train, and val if it is there), and images that are in two subsets are found. The other
formats (see scripts/convert_dataset.py) are read by their own readers, which refuse a file that
they cannot understand; images and objects are checked all the same.

Every image is decoded. Sizes and anchors are those of --config: objects are measured after
resizing, and anchors that fit them better are proposed.

Exit code: 0 without errors (there may be warnings and notes), 1 with errors, 2 where there is
nothing to check. samples/coco/train.py refuses errors; its --skip-bad leaves them out.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from mrcnn.config import Config
from mrcnn.config_io import load_config, parse_overrides
from mrcnn.data.checks.advice import class_advice
from mrcnn.data.checks.anchors import Anchors
from mrcnn.data.checks.coco import full_check, read_subset
from mrcnn.data.checks.dataset import CheckedDataset, check_dataset
from mrcnn.data.checks.files import Progress, duplicate_findings
from mrcnn.data.checks.statistics import (
    InputSize,
    fit_anchors,
    measure,
    small_findings,
    statistics,
)
from mrcnn.data.datasets.coco_files import find_splits
from mrcnn.data.findings import Finding, counts, printable, table
from mrcnn.drawing.data_pictures import problem_picture
from mrcnn.errors import run_cli
from mrcnn.report.data_page import Subset, data_page, pictured

sys.path.insert(0, str(Path(__file__).resolve().parent))
from convert_dataset import FORMATS, add_format_arguments

ROOT = Path(__file__).resolve().parents[1]
COCO = "coco"


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    args = parse_arguments(argv)
    config = load_config(args.config).update(**parse_overrides(args.set))
    checked = open_subsets(args)
    findings = [finding for subset in checked for finding in subset.findings]
    findings += class_advice([(subset.name, subset.dataset) for subset in checked])
    findings += duplicate_findings([(s.name, s.dataset, s.image_place) for s in checked])
    described = [describe(subset, config) for subset in checked]
    for subset, description in zip(checked, described, strict=True):
        findings += small_findings(
            description.numbers,
            description.fit.ious[0],
            description.fit.anchors[0],
            subset.name,
            subset.place,
        )
    for subset in checked:
        print(f"{subset.name}: {subset.looked_at}")
    print(table(findings))
    write(args, config, checked, findings, described)
    counted = counts(findings)
    print(", ".join(f"{name}s: {count:,}" for name, count in counted.items()))
    return 1 if counted["error"] else 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--dataset", type=Path, required=True, help="folder in COCO's layout, or IN of --format"
    )
    parser.add_argument(
        "--subset", nargs="+", help="subsets (train, and of COCO's format val if it is there)"
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=ROOT / "configs" / "base_resnet101.yaml",
        help="YAML file of config keys, for image sizes and anchors (base_resnet101.yaml)",
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="config keys, over the file's"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/check"), help="folder of the report (%(default)s)"
    )
    parser.add_argument("--format", choices=[COCO, *FORMATS], default=COCO, help="(%(default)s)")
    add_format_arguments(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args(argv)


def open_subsets(args: argparse.Namespace) -> list[CheckedDataset]:
    """The subsets with what is wrong with each of them."""
    if args.format != COCO:
        return [open_format(args, name) for name in args.subset or ["train"]]
    names = args.subset or ["train"]
    if args.subset is None and args.dataset.is_dir() and "val" in find_splits(args.dataset):
        names = ["train", "val"]
    checked = []
    for name in names:
        subset = read_subset(args.dataset, name)
        full_check(subset, bar(name, args.quiet))
        checked.append(subset)
    return checked


def open_format(args: argparse.Namespace, subset: str) -> CheckedDataset:
    """A dataset of another format."""
    own = argparse.Namespace(**{**vars(args), "input": args.dataset, "subset": subset})
    return check_dataset(subset, FORMATS[args.format](own), bar(subset, args.quiet))


def bar(subset: str, quiet: bool) -> Progress:
    """A progress bar over images that are decoded."""

    def wrapped(images: Iterable, total: int) -> Iterable:
        return tqdm(images, f"decoding {subset}", total, unit="image", disable=quiet, leave=False)

    return wrapped


def describe(checked: CheckedDataset, config: Config) -> Subset:
    """The objects of a subset, as the network of the configuration sees them."""
    numbers = measure(checked.dataset, input_size(config))
    anchors = Anchors(
        config.RPN_ANCHOR_SCALES,
        tuple(config.RPN_ANCHOR_RATIOS),
        config.BACKBONE_STRIDES,
        config.RPN_ANCHOR_STRIDE,
    )
    fit = fit_anchors(numbers, anchors)
    return Subset(checked.name, checked.looked_at, numbers, checked.dataset.class_names, fit)


def input_size(config: Config) -> InputSize:
    """How the configuration resizes images."""
    return InputSize(
        config.IMAGE_MIN_DIM,
        config.IMAGE_MAX_DIM,
        config.IMAGE_MIN_SCALE,
        config.IMAGE_RESIZE_MODE,
    )


def write(
    args: argparse.Namespace,
    config: Config,
    checked: list[CheckedDataset],
    findings: list[Finding],
    described: list[Subset],
) -> None:
    """Write findings.json and report.html."""
    args.out.mkdir(parents=True, exist_ok=True)
    settings = input_size(config)
    content = {
        "dataset": str(args.dataset),
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
    file = args.out / "findings.json"
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
    page = data_page(f"Check of {printable(args.dataset)}", findings, pictures, described, words)
    report = args.out / "report.html"
    report.write_text(page, encoding="utf-8")
    print(f"written: {file}, {report}")


def thumbnail(subset: CheckedDataset, finding: Finding) -> bytes:
    """The image that a finding is about, with the outlines of the object."""
    return problem_picture(subset.path_of(finding), subset.outlines_of(finding))


if __name__ == "__main__":
    sys.exit(run_cli(main))
