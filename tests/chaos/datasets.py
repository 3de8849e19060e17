"""Damage datasets of every format in many ways, and open what is left as a training does: each must
be refused in one line, or be read with what was left out listed, or give what was there before.

    python -m tests.chaos.datasets --rounds 1000 --seed 0

Each is opened in a process of its own, with limits on time and memory: as it is, and with
--skip-bad where that was refused. All images, boxes and masks are read. Some damage makes another
sound dataset, as when a digit of a coordinate changes; then boxes must lie in their images.
Pictures that are empty, cut off, or no files must be noticed.
"""

import argparse
import contextlib
import hashlib
import io
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from mrcnn.data.checks.training import open_checked, open_without_bad
from mrcnn.data.conversion.convert import training_folder
from mrcnn.data.datasets.coco_files import find_splits
from tests.chaos.data_damage import DAMAGE
from tests.chaos.limits import run_limited
from tests.mrcnn.data.conftest import WRITERS, _photos

SECONDS, MEMORY = 10, 2 << 30
# More than the longest message of one line should have.
LONGEST = 1500
# What must not pass where it befell a picture; only its last bytes may be cut off.
NOTICED = ("emptied", "no_file", "claims")
GOOD = ("refused", "left out", "equal", "other data")


def opened(root, skip_bad):
    """Open a dataset as `mrcnn train` does and read all of it.

    Returns:
        A digest of each image with its objects, by its name; what was left out; and faults.
    """

    def quietly(items, *_, **__):
        return items

    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as run:
        folder, _ = training_folder(root, Path(run) / "dataset", quietly)
        names = [name for name in ("train", "val") if name in find_splits(folder)]
        record = {}
        if skip_bad:
            subsets, record = open_without_bad(folder, names, quietly)
        else:
            subsets = open_checked(folder, names)
        found, faults = {}, []
        for subset in subsets:
            for image_id in subset.dataset.image_ids:
                name = Path(subset.dataset.image_info[image_id]["path"]).name
                found[name] = digest(subset.dataset, image_id, faults)
    left = sum(len(entry["images"]) + len(entry["annotations"]) for entry in record.values())
    return [found, left, faults]


def digest(dataset, image_id, faults):
    """Of an image and its objects, whatever their order."""
    image, instances = dataset.load_image(image_id), dataset.load_instances(image_id)
    height, width = image.shape[:2]
    if image.dtype != np.uint8 or image.shape[2:] != (3,) or instances.size != (height, width):
        faults.append(f"image {image.shape} {image.dtype}, objects on {instances.size}")
    y1, x1, y2, x2 = instances.boxes.T
    inside = (y1 >= 0) & (y1 < y2) & (y2 <= height) & (x1 >= 0) & (x1 < x2) & (x2 <= width)
    if not inside.all():
        faults.append(f"boxes {instances.boxes[~inside].tolist()} on {height} x {width}")
    masks = instances.masks()
    if not np.isin(np.abs(instances.class_ids), np.arange(1, dataset.num_classes)).all():
        faults.append(f"classes {instances.class_ids.tolist()}")
    objects = sorted(
        f"{dataset.class_names[abs(number)]} {number < 0} {box.tolist()} "
        + hashlib.sha256(np.packbits(masks[..., index]).tobytes()).hexdigest()
        for index, (number, box) in enumerate(
            zip(instances.class_ids, instances.boxes, strict=True)
        )
    )
    return hashlib.sha256(image.tobytes()).hexdigest()[:16] + " | " + " | ".join(objects)


def verdict(outcome, whole):
    """What came of a dataset: one of `GOOD`, or a fault in words."""
    if outcome.ended:
        return f"ended by {outcome.ended}"
    if outcome.error == "InputError":
        if "\n" in outcome.message or len(outcome.message) > LONGEST:
            return f"not one line, or a long one: {outcome.message[:200]!r}"
        return "refused"
    if outcome.error:
        return f"{outcome.error}: {outcome.message}".splitlines()[0][:200]
    found, left, faults = outcome.value
    if faults:
        return f"unsound: {faults[0]}"
    if left:
        return "left out"
    return "equal" if found == whole else "other data"


def try_out(place, rounds, seed):
    """Try damaged datasets; returns the verdicts by kind of damage, and the faults in words."""
    kinds, counts, faults = sorted(WRITERS), Counter(), []
    whole = {}
    for kind in kinds:
        root = place / "whole" / kind
        root.mkdir(parents=True)
        WRITERS[kind](root, _photos())
        outcome = run_limited(lambda root=root: opened(root, False), SECONDS, MEMORY)
        assert outcome.value and not outcome.value[2], (kind, outcome)
        whole[kind] = outcome.value[0]
    for number in range(rounds):
        draw = random.Random(f"{seed} {number}")
        kind, path = kinds[number % len(kinds)], None
        with tempfile.TemporaryDirectory(dir=place) as folder:
            root = Path(folder) / "photos"
            root.mkdir()
            WRITERS[kind](root, _photos())
            while path is None:
                damage = draw.choice(DAMAGE)
                path = damage(root, draw)
            outcome = run_limited(lambda root=root: opened(root, False), SECONDS, MEMORY)
            word = verdict(outcome, whole[kind])
            if word == "refused":
                outcome = run_limited(lambda root=root: opened(root, True), SECONDS, MEMORY)
                skipped = verdict(outcome, whole[kind])
                word = skipped if skipped != "equal" else "refused, and equal with --skip-bad"
        name = damage.__name__
        unnoticed = (name in NOTICED and word in ("equal", "other data")) or (
            name == "picture cut" and word == "other data"
        )
        if unnoticed and path.name in whole[kind]:
            word = f"not noticed: {word}"
        counts[name, word if word in GOOD else "fault"] += 1
        if word not in GOOD:
            faults.append(f"{number}, {kind}, {name}, {path.name}: {word}")
    return counts, faults


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000, help="datasets")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print(f"{options.rounds} damaged datasets of {len(WRITERS)} layouts, seed {options.seed}")
    with tempfile.TemporaryDirectory() as place:
        counts, faults = try_out(Path(place), options.rounds, options.seed)
    print(f"{'damage':16}{'datasets':>10}" + "".join(f"{word:>12}" for word in (*GOOD, "fault")))
    for name in sorted({name for name, _ in counts}):
        row = [counts[name, word] for word in (*GOOD, "fault")]
        print(f"{name:16}{sum(row):10}" + "".join(f"{count:12}" for count in row))
    print("\n".join([*faults, f"{options.rounds} datasets: {len(faults)} faults"]), flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
