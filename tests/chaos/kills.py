"""Kill trainings at any moment, resume them until they are done, and compare each with one that
nothing happened to: the same log, byte for byte, the same checkpoints and weights, bit for bit.

    python -m tests.chaos.kills --rounds 100 --seed 0
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.chaos.runs import Training, assert_equal, make_data
from tests.conftest import TINY

# Where a kill is aimed at, and the count up to which it is drawn; see training.py.
PLACES = {"write": 8, "written": 8, "row": 6, "validate": 5, "stage": 1, "batch": 12, "worker": 4}
WORDS = {
    "write": "before a file got its name",
    "written": "after a file got its name",
    "row": "in the middle of a row of a log",
    "validate": "during a validation",
    "stage": "at the start of a stage",
    "batch": "before a step",
    "worker": "at the start of a process that loads images",
    "time": "at any moment since its start",
}
# Kills of a run before it may end.
KILLS = 8


def kill(run, draw):
    """Start a run and kill it once; returns the place, or None where it was done before."""
    if draw.random() < 0.25:
        return "time" if run.killed_after(draw.uniform(0, 12)) else None
    place = draw.choice(list(PLACES))
    return place if run.killed_at(place, draw.randint(1, PLACES[place])) else None


def round_of(run, draw, kills):
    """Kill and resume a run up to `kills` times, then let it end; returns the places."""
    places = []
    while len(places) < kills:
        place = kill(run, draw)
        if place is None:
            break
        places.append(place)
    run.until_done()
    return places


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    counts, runs, faults = dict.fromkeys(WORDS, 0), 0, 0
    print(f"{options.rounds} kills, seed {options.seed}")
    with tempfile.TemporaryDirectory() as place:
        data = make_data(Path(place), TINY)
        whole = Training(data, Path(place) / "whole").until_done()
        while sum(counts.values()) < options.rounds:
            runs += 1
            run = Training(data, Path(place) / f"run{runs}")
            left = options.rounds - sum(counts.values())
            places = round_of(run, random.Random(f"{options.seed} {runs}"), min(KILLS, left))
            for name in places:
                counts[name] += 1
            try:
                assert_equal(run, whole)
                verdict = "equal"
            except AssertionError as error:
                verdict, faults = f"DIFFERENT: {' '.join(str(error).split())[:200]}", faults + 1
            print(f"run {runs}: killed at {', '.join(places) or 'no time'}: {verdict}", flush=True)
    for name, count in counts.items():
        print(f"{count:4d} {WORDS[name]}")
    print(
        f"{sum(counts.values())} kills in {runs} runs: {runs - faults} runs ended as the one that "
        f"nothing happened to, {faults} did not"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
