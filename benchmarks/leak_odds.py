"""How often harmless counts page: families of pools, noise, steps and rhythms against the per-cycle detector.

python -m benchmarks.leak_odds [--series 300] [--cycles 1000]
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterator

from steadycast.tracking.leaks.counts import CountPolicy, Counts

Series = Iterator[float]
Family = Callable[[random.Random, int], Series]


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
    "most ever needed, mean 2": most(2),
    "most ever needed, mean 20": most(20),
    "wanders": wandering,
    "steps": stepping,
    "day and night": daily,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=300)
    parser.add_argument("--cycles", type=int, default=1000)
    options = parser.parse_args()
    print(f"{'family':<28} {'suspects':>9} {'pages':>6}  of {options.series} series of {options.cycles} cycles")
    for name, family in FAMILIES.items():
        suspects = pages = 0
        for seed in range(options.series):
            counts, seen = Counts(), [False, False]
            for n, value in enumerate(family(random.Random(seed), options.cycles), 1):
                found = counts.update(60.0 * n, value, {"session": n}, {}, True)
                if found is not None and found.holds:
                    seen = [True, seen[1] or found.chance <= CountPolicy().page]
            suspects, pages = suspects + seen[0], pages + seen[1]
        print(f"{name:<28} {suspects:>9} {pages:>6}", flush=True)


if __name__ == "__main__":
    main()
