"""Measure training steps and detection on an accelerator, beside torchvision where that is there.

    KERAS_BACKEND=jax python benchmarks/gpu.py --out results/gpu

prints a table and writes gpu.json into the folder of --out. Every case is a process of its own, so
that its memory is its own. With JAX all cases are compiled first, some at a time, into a cache;
then they are timed one after another. Weights and images are random, 800 x 1024 pixels.

A case is WHO:WHAT:BACKBONE:PRECISION:BATCH, such as ours:train:resnet50:bfloat16:8; WHO is ours or
torchvision, WHAT is train (all layers, 200 RoIs an image of 2000 proposals), heads (the same with a
frozen backbone) or detect (1000 proposals, masks of 100 objects, 28 x 28, not pasted into the
image). "float32" lets the accelerator multiply in TF32 in both; "bfloat16" is PRECISION here, and
autocast there, with channels last. A share is that of the matrix products of the largest size in
the same precision.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mrcnn.errors import InputError, run_cli

sys.path.insert(0, str(Path(__file__).resolve().parent))

DEFAULT = [
    "ours:train:resnet50:bfloat16:8", "torchvision:train:resnet50:bfloat16:8",
    "ours:detect:resnet50:bfloat16:8", "torchvision:detect:resnet50:bfloat16:8",
    "ours:train:resnet50:bfloat16:32", "torchvision:train:resnet50:bfloat16:32",
    "ours:train:resnet50:float32:8", "torchvision:train:resnet50:float32:8",
    "ours:detect:resnet50:bfloat16:1", "torchvision:detect:resnet50:bfloat16:1",
    "ours:train:resnet101:bfloat16:8", "torchvision:train:resnet101:bfloat16:8",
    "ours:train:resnet50:bfloat16:1", "torchvision:train:resnet50:bfloat16:1",
    "ours:detect:resnet101:bfloat16:8", "torchvision:detect:resnet101:bfloat16:8",
]  # fmt: skip
WHO = ("ours", "torchvision")
# Of a process that only compiles; a compilation may take minutes.
PATIENCE = 400


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", help="(default: eight of each)")
    parser.add_argument("--size", default="800x1024", metavar="HxW", help="(default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=15, help="(default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=8, help="compile so many at a time (8)")
    parser.add_argument("--profile", metavar="CASE", help="list its longest kernels (JAX)")
    parser.add_argument("--out", type=Path, default=Path("results/gpu"), help="folder")
    parser.add_argument("--one", choices=("compile", "time", "profile", "peak"), help="internal")
    args = parser.parse_args(argv)
    from benchmark import parse_size

    size = parse_size(args.size)
    if args.one:
        from gpu_cases import run_case

        print(json.dumps(run_case(args.one, args.cases[0], size, args.repeats)))
        return 0
    cases = args.cases or DEFAULT
    for case in cases:
        check(case)
    args.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(args.out.resolve() / "cache"))
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    results: dict[str, Any] = {"size": args.size, "repeats": args.repeats, "cases": {}}

    def save() -> None:
        (args.out / "gpu.json").write_text(json.dumps(results, indent=1))

    results["peak"] = one("peak", "peak", args)
    note(f"peak: {results['peak']}")
    save()
    with ThreadPoolExecutor(args.jobs) as pool:
        compiling = {
            case: pool.submit(one, "compile", case, args)
            for case in cases
            if case.startswith("ours")
        }
        for case, future in compiling.items():
            note(f"compiled {case}: {future.result()}")
    if args.profile:
        results["profile"] = one("profile", args.profile, args)
    for case in cases:
        results["cases"][case] = found = one("time", case, args)
        note(f"{case}: {found}")
        save()
        (args.out / "gpu.txt").write_text(table(results))
    print(table(results))
    return 0


def check(case: str) -> None:
    """Raise `InputError` for what is no case."""
    parts = case.split(":")
    known = (WHO, ("train", "heads", "detect"), ("resnet50", "resnet101"), ("float32", "bfloat16"))
    fine = len(parts) == 5 and parts[4].isdecimal() and int(parts[4]) > 0
    if not fine or any(part not in names for part, names in zip(parts, known, strict=False)):
        raise InputError(f"a case is such as ours:train:resnet50:bfloat16:8, got {case!r}")


def one(what: str, case: str, args: argparse.Namespace) -> dict[str, Any]:
    """Run a case in a process of its own: what it prints last, or what went wrong."""
    command = [sys.executable, __file__, "--one", what, "--cases", case]
    command += ["--size", args.size, "--repeats", str(args.repeats)]
    start = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {PATIENCE} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        reason = next((x for x in reversed(lines) if "Error" in x or "error" in x), lines[-1])
        return {"error": reason[-300:]}
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return {**result, "process_seconds": round(time.monotonic() - start, 1)}


def table(results: dict[str, Any]) -> str:
    """Aligned columns, one line per case; then the longest kernels."""
    from benchmark import aligned

    lines = [["what", "who", "ms", "min", "max", "images/s", "GB", "TFLOP/s", "share"]]
    for case, found in results["cases"].items():
        who, *what = case.split(":")
        if "error" in found:
            lines.append([" ".join(what), who, found["error"][:60], *[""] * 6])
            continue
        rate = found.get("flops", 0) / found["median"] / 1e12
        peak = results["peak"].get(what[2], 0)
        lines.append(
            [
                " ".join(what),
                who,
                *(f"{1000 * found[key]:.1f}" for key in ("median", "min", "max")),
                f"{int(what[3]) / found['median']:.1f}",
                f"{found['bytes'] / 1e9:.2f}" if found.get("bytes") else "-",
                f"{rate:.1f}" if rate else "-",
                f"{rate / peak:.1%}" if rate and peak else "-",
            ]
        )
    text = f"{results['peak']}\n\n{aligned(lines)}"
    for line in results.get("profile", {}).get("kernels", []):
        text += f"\n{line['milliseconds']:8.3f} ms  {line['share']:6.1%}  {line['name']}"
    return text


def median_of(times: list[float]) -> dict[str, float]:
    """What the table shows of the times of a case."""
    return {"median": statistics.median(times), "min": min(times), "max": max(times)}


def note(text: str) -> None:
    """Say on stderr how far it is."""
    print(f"... {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_cli(main))
