"""How often harmless counts page: families of pools, noise, steps and rhythms, each as descriptors of one owner that
nobody can probe and that has no limit, one reading a session of a minute.

python -m benchmarks.leak_odds [--series 300] [--cycles 1000] [--only WORD]
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterator

from steadycast.model.findings import FindingChange
from steadycast.model.series import Look, Measured, Owner, Resource
from steadycast.tracking.leaks.detection import Detection

Series = Iterator[float]
Family = Callable[[random.Random, int], Series]

SOCKETS = Measured(Resource.DESCRIPTORS, "socket")
MINUTE = 60.0


def breathing(by: int) -> Family:
    return lambda rolls, cycles: (10 + rolls.randint(0, by) for _ in range(cycles))


def filling(bound: int, eager: float) -> Family:
    """A pool that takes one more with a chance that falls as it fills."""

    def family(rolls: random.Random, cycles: int) -> Series:
        held = 0
        for _ in range(cycles):
            held += rolls.random() < eager * (1 - held / bound)
            yield 10 + held

    return family


def even(bound: int, pieces: int, reused: float = 0.0) -> Family:
    """A pool of `bound` pieces that takes as many more in each cycle until it is full, wherever it begins. `reused`:
    the share of cycles that find enough in it."""

    def family(rolls: random.Random, cycles: int) -> Series:
        held, begin = 0, rolls.randint(0, cycles // 4)
        for n in range(cycles):
            if n >= begin and rolls.random() >= reused:
                held = min(bound, held + pieces)
            yield 10 + held

    return family


def most(mean: float) -> Family:
    """A pool as large as the most that was ever needed."""

    def family(rolls: random.Random, cycles: int) -> Series:
        held = 0
        for _ in range(cycles):
            held = max(held, int(rolls.expovariate(1 / mean)))
            yield 10 + held

    return family


def wandering(rolls: random.Random, cycles: int) -> Series:
    at = 12
    for _ in range(cycles):
        at = min(16, max(8, at + rolls.choice((-1, 0, 0, 0, 1))))
        yield at


def stepping(rolls: random.Random, cycles: int) -> Series:
    level = 10
    for _ in range(cycles):
        level += rolls.randint(1, 12) if rolls.random() < 0.004 else 0
        yield level + rolls.randint(0, 2)


def daily(rolls: random.Random, cycles: int) -> Series:
    return (int(10 + 6 * math.sin(n / 40) + 2 * rolls.random()) for n in range(cycles))


FAMILIES: dict[str, Family] = {
    "breathes by 1": breathing(1),
    "breathes by 2": breathing(2),
    "breathes by 8": breathing(8),
    "fills up to 8": filling(8, 0.5),
    "fills up to 16": filling(16, 0.5),
    "fills up to 32": filling(32, 0.3),
    "1 a cycle up to 64": even(64, 1),
    "1 a cycle up to 100": even(100, 1),
    "2 a cycle up to 64": even(64, 2),
    "2 a cycle up to 100": even(100, 2),
    "3 a cycle up to 100": even(100, 3),
    "4 a cycle up to 64": even(64, 4),
    "4 a cycle up to 100": even(100, 4),
    "1 in most cycles up to 100": even(100, 1, 0.2),
    "1 in some cycles up to 64": even(64, 1, 0.7),
    "most ever needed, mean 2": most(2),
    "most ever needed, mean 20": most(20),
    "wanders": wandering,
    "steps": stepping,
    "day and night": daily,
}


def judge(values: Series) -> set[FindingChange]:
    """What was told of one owner."""
    detection, owner = Detection(), Owner("server", "1:1", 1)
    told: set[FindingChange] = set()
    for n, value in enumerate(values, 1):
        look = Look(owner, 1.8e9 + n * MINUTE, n * MINUTE, {SOCKETS: value}, finished={"session": n}, quiet=True)
        told |= {event.change for event in detection.observe(look)}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=300)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--only", default="", help="families with this in their name")
    options = parser.parse_args()
    print(f"{'family':<28} {'suspects':>9} {'pages':>6}  of {options.series} series of {options.cycles} cycles")
    for name, family in FAMILIES.items():
        if options.only not in name:
            continue
        told = [judge(family(random.Random(seed), options.cycles)) for seed in range(options.series)]
        suspects = sum(FindingChange.OPENED in one for one in told)
        pages = sum(FindingChange.CONFIRMED in one for one in told)
        print(f"{name:<28} {suspects:>9} {pages:>6}", flush=True)


if __name__ == "__main__":
    main()
