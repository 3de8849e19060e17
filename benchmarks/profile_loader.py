"""Measure what a training sample costs stage by stage, and whether the loader's memory stays flat.

    python benchmarks/profile_loader.py --dataset datasets/coco --size 800x1024

prints the CPU time of each stage for the mean image, on one thread: reading and decoding, objects,
flip, resizing, mini masks, padding into arrays, joining a batch, and taking the mean off. The last
is done by the training process, the others by its workers.

    python benchmarks/profile_loader.py --dataset datasets/coco --passes 20 --workers 1

serves that many epochs and prints the resident memory of the process and of its workers, and the
CPU time of an image, both with all processes.
"""

import argparse
import cProfile
import os
import pstats
import sys
import time
from collections.abc import Iterable
from multiprocessing import active_children
from pathlib import Path

from mrcnn.config import Config
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.pipeline.loader import Loader
from mrcnn.errors import InputError, run_cli

# Functions whose whole time is one stage, by file and name; they do not call each other.
STAGES = {
    "read and decode the image": ("dataset.py", "load_image"),
    "look up the objects": ("object_table.py", "load_instances"),
    "flip": ("geometric.py", "flip_horizontal"),
    "resize and pad the image": ("image.py", "resize_image"),
    "draw the mini masks": ("mini_masks.py", "mini_masks"),
    "join the batch": ("batch.py", "stack"),
    "take the mean off": ("image.py", "mold_image"),
}


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    args = parse_arguments(argv)
    dataset = CocoDataset.from_folder(args.dataset, args.split, limit=args.limit)
    height, width = args.size
    config = Config().update(
        NUM_CLASSES=dataset.num_classes,
        IMAGES_PER_GPU=args.batch,
        IMAGE_RESIZE_MODE="square" if height == width else "canvas",
        IMAGE_MIN_DIM=min(args.size),
        IMAGE_MAX_DIM=max(args.size),
    )
    loader = Loader(dataset, config, workers=args.workers)
    if args.passes:
        print(memory_table(loader, args.passes))
    else:
        print(stage_table(loader))
    return 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", type=Path, required=True, help="folder in COCO's layout")
    parser.add_argument("--split", default="train", help="(default: %(default)s)")
    parser.add_argument("--limit", type=int, help="only the first N images")
    parser.add_argument("--size", default="800x1024", help="HxW (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=2, help="images (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="(default: threads)")
    parser.add_argument(
        "--passes", type=int, default=0, help="serve so many epochs and watch the memory"
    )
    args = parser.parse_args(argv)
    sides = args.size.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise InputError(f"--size is HEIGHTxWIDTH such as 800x1024, got {args.size!r}")
    args.size = int(sides[0]), int(sides[1])
    for name, low in (("batch", 1), ("passes", 0), ("workers", 0)):
        if getattr(args, name) < low:
            raise InputError(f"--{name} must be at least {low}, got {getattr(args, name)}")
    return args


def stage_table(loader: Loader) -> str:
    """CPU milliseconds of an image by stage, over one epoch on one thread."""
    images = len(loader) * loader.batch_size
    loader.batch(0)  # imports and caches
    plain = time.process_time()
    for step in range(len(loader)):
        loader.batch(step)
    whole = time.process_time() - plain
    profile = cProfile.Profile(time.process_time)
    for step in range(len(loader)):
        profile.runcall(loader.batch, step)
    stats = pstats.Stats(profile)
    times = dict.fromkeys(STAGES, 0.0)
    for (file, _, name), (_, _, _, cumulative, _) in stats.stats.items():  # type: ignore[attr-defined]
        for stage, place in STAGES.items():
            if (Path(file).name, name) == place:
                times[stage] += cumulative
    times["the rest"] = stats.total_tt - sum(times.values())  # type: ignore[attr-defined]
    # The profiler slows calls of Python down; shares are of what it saw.
    lines = [f"{images} images in batches of {loader.batch_size}\n", f"{'':26}  CPU ms    share"]
    for stage, seconds in times.items():
        share = seconds / sum(times.values())
        lines.append(f"{stage:26}  {1000 * share * whole / images:6.2f}  {share:7.1%}")
    lines.append(f"{'all':26}  {1000 * whole / images:6.2f}")
    return "\n".join(lines)


def memory_table(loader: Loader, passes: int) -> str:
    """Resident memory after every epoch, and the CPU time of an image in it."""
    lines = ["pass  this process MB  workers MB  CPU ms an image"]
    images = len(loader) * loader.batch_size
    totals = []
    with loader.batches() as batches:
        for number in range(1, passes + 1):
            start = cpu_seconds(processes())
            for _ in range(len(loader)):
                next(batches)
            pids = processes()
            seconds = cpu_seconds(pids) - start
            sizes = [resident_bytes(pid) / 1e6 for pid in pids]
            totals.append(sum(sizes))
            lines.append(
                f"{number:4}  {sizes[0]:15.1f}  {sum(sizes[1:]):10.1f}  "
                f"{1000 * seconds / images:15.2f}"
            )
    settled = totals[min(1, passes - 1) :]  # the first pass fills caches and the queues
    lines.append(f"growth from pass {min(2, passes)}: {max(settled) / settled[0] - 1:.1%}")
    return "\n".join(lines)


def processes() -> list[int]:
    """This process, then its workers."""
    return [os.getpid(), *(process.pid for process in active_children())]


def resident_bytes(pid: int) -> int:
    """Resident memory of a process, on Linux."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of processes, on Linux."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids]
    return sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(run_cli(main))
