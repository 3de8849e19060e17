"""Measure training steps, inference, detection and the loader of this machine.

    python benchmarks/benchmark.py --backbone resnet101 --size 1024x1024 --edge none sobel

prints a table and writes benchmark.json (all single times, versions, device, settings) into the
folder of --out. Weights and images are random; only the loader reads a dataset.

A share is the part of the machine's own convolution rate (GFLOP/s of a single float32 convolution
in the same backend, 3 x 3, 256 to 256 channels, 128 x 128) that the work reaches. A shared machine
drifts within seconds, so the rate is measured before and after each repeat: a share is the median
over repeats of operations / seconds / rate around that repeat. Operations are counted from the
shapes of the model's convolutions and matrix products (benchmarks/flops.py): "executed" are those
that this implementation runs, and the column that counts; "nominal" are those of the published
architecture, with the RPN's backward pass at all anchors and masks for all sampled RoIs.

With several --edge, their steps are taken in turn in one process, and paired ratios are printed:
on the clock, in CPU time, and on the clock at equal convolution rate. With train-all and detect, so
is detect by the first of them.

Memory is the peak while the part was measured, with what parts before it left behind (and, on an
accelerator, since the start): one --part per run for its own figure.
"""

import argparse
import importlib.util
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from mrcnn.errors import InputError, run_cli

sys.path.insert(0, str(Path(__file__).resolve().parent))

PARTS = ("train-heads", "train-all", "inference", "detect", "loader")
BACKENDS = ("tensorflow", "jax", "torch")
COCO_CLASSES = 81


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    args = parse_arguments(argv)
    choose_backend(args.backend)
    from measure import ConvolutionRate
    from parts import Settings, with_edge

    from mrcnn.cli.common import open_dataset

    config = configuration(args)
    for edge in args.edge:
        with_edge(config, edge)  # a filter that does not exist ends here
    dataset = open_dataset(args.dataset, "train") if "loader" in args.part else None
    args.out.mkdir(parents=True, exist_ok=True)
    note("measuring the convolution rate")
    settings = Settings(config, args.size, args.batch, args.repeats, args.warmup, ConvolutionRate())
    rows, ratios = run_parts(args, settings, dataset)
    about = description(args, config)
    (args.out / "benchmark.json").write_text(
        json.dumps({**about, "parts": rows, "ratios": ratios}, indent=2)
    )
    print(
        f"{args.backbone} {args.size[0]} x {args.size[1]}, batch {args.batch}, "
        f"{about['versions']['backend']}, {about['device']}, "
        f"XLA {'on' if about['jit'] else 'off'}; median of {args.repeats}\n\n{table(rows)}\n"
    )
    for ratio in ratios:
        print(ratio_line(ratio))
    print(f"{args.out / 'benchmark.json'} has every single time")
    return 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--part", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure (all)"
    )
    parser.add_argument("--backbone", default="resnet101", help="(default: %(default)s)")
    parser.add_argument(
        "--size", default="1024x1024", metavar="HxW", help="input size (default: %(default)s)"
    )
    parser.add_argument("--batch", type=int, default=1, help="images (default: %(default)s)")
    parser.add_argument(
        "--edge",
        nargs="+",
        default=["none"],
        help="'none', or filters joined by '+'; several are measured in turn (default: none)",
    )
    parser.add_argument("--backend", choices=BACKENDS, help="(default: KERAS_BACKEND)")
    parser.add_argument("--repeats", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument(
        "--detections",
        type=int,
        metavar="N",
        help="also measure detect with N detections (random weights alone decide otherwise)",
    )
    parser.add_argument(
        "--dataset", type=Path, help="for the loader, in COCO's layout (default: built-in sample)"
    )
    parser.add_argument(
        "--workers", nargs="+", type=int, default=[0, 1], help="of the loader (default: 0 1)"
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="other config keys"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/benchmark"),
        help="folder (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    args.size = parse_size(args.size)
    least = {"batch": 1, "repeats": 1, "warmup": 1, "detections": 1}
    for name, low in least.items():
        value = getattr(args, name)
        if value is not None and value < low:
            raise InputError(f"--{name} must be at least {low}, got {value}")
    return args


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of "HxW".

    Raises:
        InputError: Not of that form, or sides that do not divide by 32.
    """
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() for side in sides):
        raise InputError(f"--size is HEIGHTxWIDTH such as 800x1024, got {text!r}")
    height, width = int(sides[0]), int(sides[1])
    if not height or not width or height % 32 or width % 32:
        raise InputError(f"the sides of --size must be positive and divide by 32, got {text!r}")
    return height, width


def choose_backend(name: str | None) -> None:
    """Set the Keras backend, which is only possible before Keras is imported.

    Raises:
        InputError: The backend is not installed, or Keras is loaded already, with another one.
    """
    if name is None:
        return
    if importlib.util.find_spec(name) is None:
        raise InputError(f"--backend {name}: the package {name} is not installed")
    if "keras" in sys.modules:
        current = sys.modules["keras"].backend.backend()
        if current != name:
            raise InputError(f"Keras runs on {current} in this process already, not on {name}")
    os.environ["KERAS_BACKEND"] = name


def configuration(args: argparse.Namespace) -> Any:
    """The configuration of COCO at the given size."""
    from mrcnn.config import Config
    from mrcnn.config_io import parse_overrides

    return Config().update(
        **{
            "BACKBONE": args.backbone,
            "NUM_CLASSES": COCO_CLASSES,
            "IMAGES_PER_GPU": args.batch,
            "IMAGE_RESIZE_MODE": "square" if args.size[0] == args.size[1] else "canvas",
            "IMAGE_MIN_DIM": min(args.size),
            "IMAGE_MAX_DIM": max(args.size),
            **parse_overrides(args.set),
        }
    )


def run_parts(
    args: argparse.Namespace, settings: Any, dataset: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Measure the chosen parts: rows of the table, and ratios between some of them."""
    from measure import paired_ratios
    from parts import Networks, detect, load

    rows: list[dict[str, Any]] = []
    ratios: list[dict[str, Any]] = []
    step = None

    def take(results: dict[str, Any]) -> None:
        rows.extend(row for row, _ in results.values())

    if set(args.part) & set(PARTS[:3]):
        note("building the networks")
        networks = Networks(settings, args.edge)
        for layers in ("heads", "all"):
            if f"train-{layers}" not in args.part:
                continue
            note(f"train-{layers}")
            results = networks.train(layers)
            take(results)
            (first, (_, base)), *others = results.items()
            for edge, (_, timing) in others:
                what = f"train-{layers}: {edge} / {first}"
                ratios.append({"what": what, **paired_ratios(timing, base)})
            step = base if layers == "all" else step
        if "inference" in args.part:
            note("inference")
            take(networks.infer())
        del networks
    if "detect" in args.part:
        for forced in [None] + ([args.detections] if args.detections else []):
            note("detect" if forced is None else f"detect, {forced} detections")
            for row, timing in detect(settings, forced).values():
                rows.append(row)
                if step is not None:
                    what = f"detect, {row['variant']}"
                    ratios.append(ratio_to_step(what, timing, step, args.batch))
    if "loader" in args.part:
        note("loader")
        for results in load(settings, dataset, args.workers):
            take(results)
    return rows, ratios


def ratio_to_step(what: str, timing: Any, step: Any, images: int) -> dict[str, Any]:
    """Ratios of single times to the median training step, of an image."""
    from measure import summary

    def over(values: list[float], base: list[float]) -> dict[str, float]:
        middle = max(summary(base)["median"], 1e-9)
        return summary([value * images / middle for value in values])

    return {
        "what": f"{what} / train-all (an image)",
        "seconds": over(timing.seconds, step.seconds),
        "cpu_seconds": over(timing.cpu_seconds, step.cpu_seconds),
        "seconds_at_equal_rate": over(timing.work(), step.work()),
    }


def description(args: argparse.Namespace, config: Any) -> dict[str, Any]:
    """What was measured, on what."""
    import keras
    import numpy as np
    from measure import REFERENCE, SHAPES

    from mrcnn.backend import device_name, jit_compile, version

    return {
        "arguments": {name: plain(value) for name, value in vars(args).items()},
        "device": device_name(),
        "cores": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
        "jit": jit_compile(),
        "versions": {
            "backend": version(),
            "keras": keras.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "convolutions": {name: list(shape) for name, shape in SHAPES.items()},
        "reference_convolution": REFERENCE,
        "config": {name: plain(value) for name, value in config.to_dict().items()},
    }


def plain(value: Any) -> Any:
    """A value that JSON can hold."""
    is_plain = value is None or isinstance(value, bool | int | float | str | list | tuple | dict)
    return value if is_plain else str(value)


def table(rows: list[dict[str, Any]]) -> str:
    """Aligned columns, one line per row; under it the convolution rates of every part."""
    from measure import REFERENCE

    head = [
        "part", "variant", "median s", "min", "max", "IQR", "CPU s", "images/s",
        "GFLOP", "share", "(nominal)", "GFLOP/s before", "around", "after", "host GB", "device GB",
    ]  # fmt: skip
    lines = [head]
    for row in rows:
        seconds, peak = row["seconds"], row["peak_bytes"]
        gflop, share = row.get("gflop"), row.get("share")
        lines.append(
            [
                row["part"],
                row["variant"] or "-",
                *(f"{seconds[key]:.3f}" for key in ("median", "min", "max", "iqr")),
                f"{row['cpu_seconds']['median']:.3f}",
                f"{row['images_per_second']:.2f}",
                f"{gflop['executed']:.0f}" if gflop else "-",
                f"{share['executed']['median']:.1%}" if share else "-",
                f"{share['nominal']['median']:.1%}" if share else "-",
                f"{row['rate_before'][REFERENCE]:.0f}",
                f"{row['rate_around']['median']:.0f}" if share else "-",
                f"{row['rate_after'][REFERENCE]:.0f}",
                *(
                    "-" if peak[key] is None else f"{peak[key] / 1e9:.2f}"
                    for key in ("host", "accelerator")
                ),
            ]
        )
    return f"{aligned(lines)}\n\n{rate_table(rows)}"


def rate_table(rows: list[dict[str, Any]]) -> str:
    """GFLOP/s of every convolution before and after each part."""
    names = list(rows[0]["rate_before"]) if rows else []
    lines = [["GFLOP/s before > after", *names]]
    seen = []
    for row in rows:
        if row["rate_before"] in seen:
            continue
        seen.append(row["rate_before"])
        cells = [f"{row['rate_before'][n]:.0f} > {row['rate_after'][n]:.0f}" for n in names]
        lines.append([row["part"], *cells])
    return aligned(lines)


def aligned(lines: list[list[str]]) -> str:
    """Columns of equal width, the first two to the left and numbers to the right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def ratio_line(ratio: dict[str, Any]) -> str:
    """One ratio in words, with its spread."""
    names = {
        "seconds": "",
        "cpu_seconds": "CPU time ",
        "seconds_at_equal_rate": "at equal convolution rate ",
    }
    parts = [
        f"{words}{ratio[key]['median']:.4f} "
        f"({ratio[key]['min']:.4f} to {ratio[key]['max']:.4f}, IQR {ratio[key]['iqr']:.4f})"
        for key, words in names.items()
        if key in ratio
    ]
    return f"{ratio['what']}: {'; '.join(parts)}"


def note(text: str) -> None:
    """Say on stderr how far it is."""
    print(f"... {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_cli(main))
