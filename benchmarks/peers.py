"""Measure training and detection on this machine's CPUs beside torchvision, in turns.

    python benchmarks/peers.py --peer-python TORCH/bin/python --out results/peers

prints a table and writes peers.json into the folder of --out. Cases are those of gpu.py, such as
ours:train:resnet50:float32:2, ours:heads:... and torchvision:detect:...; each runs in a process of
its own, which stays for all repeats. Ours and its peers are repeated in turn, so that what else the
machine does falls on all of them. Ratios are of ours to torchvision's, the median over the repeats;
memory is the peak of the process.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from mrcnn.errors import InputError, run_cli

sys.path.insert(0, str(Path(__file__).resolve().parent))

WORK = [
    "train:resnet50:float32:2", "heads:resnet50:float32:2", "train:resnet50:bfloat16:2",
    "detect:resnet50:float32:1",
]  # fmt: skip
WHO = ("ours", "torchvision")


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", nargs="+", default=WORK, help="cases without WHO (four)")
    parser.add_argument("--peer-python", default=sys.executable, help="one that has torchvision")
    parser.add_argument("--size", default="800x1024", metavar="HxW", help="(default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/peers"), help="folder")
    parser.add_argument("--worker", metavar="CASE", help="internal")
    args = parser.parse_args(argv)
    from benchmark import parse_size
    from gpu import check

    size = parse_size(args.size)
    if args.worker:
        return serve(args.worker, size)
    for what in args.work:
        for who in WHO:
            check(f"{who}:{what}")
    args.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"size": args.size, "repeats": args.repeats, "cases": {}}
    for what in args.work:
        results["cases"].update(compare(what, args))
        (args.out / "peers.json").write_text(json.dumps(results, indent=1))
        print(table(results["cases"], what), flush=True)
    return 0


def serve(case: str, size: tuple[int, int]) -> int:
    """Do the work of a case once for every line of the input, and print what it took."""
    from gpu_cases import work

    run, *_ = work(case, size)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        found = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        found["gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print("\n" + json.dumps(found), flush=True)
    return 0


def compare(what: str, args: argparse.Namespace) -> dict[str, Any]:
    """Times of ours and of torchvision, in turns; what cannot run has an error in their place."""
    workers = {f"{who}:{what}": start(f"{who}:{what}", args) for who in WHO}
    found: dict[str, Any] = {case: {"repeats": []} for case in workers}
    # The first two build, compile and warm up.
    for number in range(args.repeats + 2):
        for case, worker in workers.items():
            if "error" in found[case]:
                continue
            try:
                done = ask(worker)
            except InputError as error:
                found[case] = {"error": str(error)}
                continue
            if number == 0:
                found[case]["first"] = done["seconds"]
            elif number > 1:
                found[case]["repeats"].append(done)
    for worker in workers.values():
        with contextlib.suppress(BrokenPipeError):  # of one that has ended
            worker.stdin.close()  # type: ignore[union-attr]
        worker.wait()
    return found


def start(case: str, args: argparse.Namespace) -> subprocess.Popen:
    """Start the process of a case."""
    python = sys.executable if case.startswith("ours") else args.peer_python
    root = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    command = [python, __file__, "--worker", case, "--size", args.size]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environment
    )


def ask(worker: subprocess.Popen) -> dict[str, float]:
    """Let a process do its work once.

    Raises:
        InputError: It has ended.
    """
    try:
        worker.stdin.write("\n")  # type: ignore[union-attr]
        worker.stdin.flush()  # type: ignore[union-attr]
    except BrokenPipeError:
        raise InputError("it does not run here") from None
    for line in worker.stdout:  # type: ignore[union-attr]
        if line.startswith('{"seconds"'):
            return json.loads(line)
    raise InputError("it does not run here")


def table(cases: dict[str, Any], what: str) -> str:
    """Aligned columns: one line for ours, one for torchvision's, and one of their ratios."""
    from benchmark import aligned

    lines = [["work", "who", "median s", "min", "max", "CPU s", "first s", "GB"]]
    known = {}
    for who in WHO:
        found = cases[f"{who}:{what}"]
        if "error" in found:
            lines.append([what, who, found["error"], *[""] * 5])
            continue
        known[who] = found["repeats"]
        seconds = [repeat["seconds"] for repeat in known[who]]
        middle = [statistics.median(r[key] for r in known[who]) for key in ("cpu", "gigabytes")]
        numbers = [statistics.median(seconds), min(seconds), max(seconds), middle[0]]
        lines.append(
            [what, who, *(f"{x:.3f}" for x in numbers), f"{found['first']:.1f}", f"{middle[1]:.2f}"]
        )
    if len(known) == len(WHO):
        pairs = list(zip(known["ours"], known["torchvision"], strict=True))
        ratios = {
            key: statistics.median(one[key] / other[key] for one, other in pairs)
            for key in ("seconds", "cpu", "gigabytes")
        }
        values = [f"{ratios[key]:.3f}" for key in ("seconds", "cpu", "gigabytes")]
        lines.append([what, "ratio", values[0], "", "", values[1], "", values[2]])
    return aligned(lines)


if __name__ == "__main__":
    sys.exit(run_cli(main))
