"""How often private memory that is harmless pages, and when a loss a session does: seen from outside only, a quiet look
after each session, a session each quarter of an hour, nobody can probe.

python -m benchmarks.leak_odds_memory [--series 40] [--cycles 600] [--only WORD] [--timed]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from statistics import median

import numpy as np
import numpy.typing as npt

from steadycast.model.findings import FindingChange
from steadycast.model.series import Look, Measured, Owner, Resource
from steadycast.tracking.leaks.detection import Detection

Array = npt.NDArray[np.float64]
Family = Callable[[np.random.Generator, int], Array]  # MB by session

PRIVATE = Measured(Resource.PRIVATE)
MB = 1024.0**2
APART = 900.0  # seconds from one session to the next


def any_of(rolls: np.random.Generator, low: float, high: float) -> float:
    """Log-uniform."""
    return float(np.exp(rolls.uniform(np.log(low), np.log(high))))


def allocator(rolls: np.random.Generator, cycles: int) -> Array:
    """A level, and noise that remembers: pages that are taken and given back late."""
    phi, size = rolls.uniform(0.3, 0.98), any_of(rolls, 0.2, 4)
    kicks, out, held = rolls.normal(0, size * math.sqrt(1 - phi * phi), cycles), np.empty(cycles), 0.0
    for n in range(cycles):
        held = phi * held + kicks[n]
        out[n] = held
    level: Array = any_of(rolls, 40, 400) + out + rolls.normal(0, 0.2, cycles)
    return level


def still(rolls: np.random.Generator, cycles: int) -> Array:
    return np.zeros(cycles)


def warming(rolls: np.random.Generator, cycles: int) -> Array:
    t = np.arange(cycles) / any_of(rolls, 5, 300)
    curves = (1 - np.exp(-t), np.log1p(t) / 3, t / (1 + t), np.sqrt(t / (1 + t.max())))
    out: Array = any_of(rolls, 3, 80) * curves[int(rolls.integers(len(curves)))]
    return out


def filling(least: float, most: float) -> Family:
    """A cache that takes as much with each session until it is full, wherever that begins."""

    def family(rolls: np.random.Generator, cycles: int) -> Array:
        begin = 0 if rolls.random() < 0.5 else int(rolls.uniform(0, cycles / 3))
        size = any_of(rolls, least, most)
        out: Array = np.minimum(size, any_of(rolls, 0.1, 1.0) * np.maximum(0, np.arange(cycles) - begin))
        return out

    return family


def most(rolls: np.random.Generator, cycles: int) -> Array:
    """As much as was ever needed at once."""
    needed = rolls.gamma(rolls.uniform(0.5, 4), any_of(rolls, 1, 12), cycles)
    out: Array = np.maximum.accumulate(needed) * rolls.uniform(0.4, 1)
    return out


def wandering(rolls: np.random.Generator, cycles: int) -> Array:
    bound, at, out = any_of(rolls, 4, 40), 0.0, np.empty(cycles)
    steps = rolls.normal(0, any_of(rolls, 0.05, 1.0), cycles)
    for n in range(cycles):
        at = min(bound, max(-bound, at + steps[n]))
        out[n] = at
    return out


def stepping(rolls: np.random.Generator, cycles: int) -> Array:
    out: Array = np.cumsum(np.where(rolls.random(cycles) < 0.01, rolls.uniform(-2, 8, cycles), 0.0))
    return out


def collected(rolls: np.random.Generator, cycles: int) -> Array:
    """Grows evenly until it is collected."""
    period = any_of(rolls, 10, 250)
    out: Array = any_of(rolls, 2, 40) * ((np.arange(cycles) / period + rolls.uniform()) % 1)
    return out


def daily(rolls: np.random.Generator, cycles: int) -> Array:
    turn = 2 * np.pi * (np.arange(cycles) * APART / 86400 + rolls.uniform())
    out: Array = any_of(rolls, 1, 30) * np.sin(turn)
    return out


def losing(much: float) -> Family:
    """MB a session, from the start or later; not each loses as much."""

    def family(rolls: np.random.Generator, cycles: int) -> Array:
        out: Array = np.cumsum(much * rolls.uniform(0.5, 1.5, cycles))
        return out

    return family


HARMLESS: dict[str, Family] = {
    "still": still,
    "warms up": warming,
    "fills evenly, 2 to 10 MB": filling(2, 10),
    "fills evenly, 10 to 60 MB": filling(10, 60),
    "most ever needed": most,
    "wanders": wandering,
    "steps": stepping,
    "collected now and then": collected,
    "day and night": daily,
}
LOSING: dict[str, Family] = {f"loses {much:g} MB": losing(much) for much in (0.1, 0.2, 0.5, 1.0)}


def judge(values: Array, timed: bool) -> dict[FindingChange, int]:
    """At which session what was told first."""
    detection = Detection() if timed else Detection(trends=lambda _: None)
    owner, told = Owner("server", "1:1", 1), dict[FindingChange, int]()
    for n, value in enumerate((values * MB).tolist(), 1):
        look = Look(owner, 1.8e9 + n * APART, n * APART, {PRIVATE: value}, finished={"session": n}, quiet=True)
        for event in detection.observe(look):
            told.setdefault(event.change, n)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=40)
    parser.add_argument("--cycles", type=int, default=600)
    parser.add_argument("--only", default="", help="families with this in their name")
    parser.add_argument("--timed", action="store_true", help="growth with time is judged as well, which takes longer")
    options = parser.parse_args()
    print(f"{'family':<28} {'suspects':>9} {'pages':>6} {'named at':>9} {'pages at':>9}  of {options.series}, medians")
    for name, family in {**HARMLESS, **LOSING}.items():
        if options.only not in name:
            continue
        told = []
        for seed in range(options.series):
            rolls = np.random.default_rng([len(name), seed])
            told.append(judge(allocator(rolls, options.cycles) + family(rolls, options.cycles), options.timed))
        cells = []
        for change in (FindingChange.OPENED, FindingChange.CONFIRMED):
            at = [one.get(change, math.inf) for one in told]
            cells.append((sum(map(math.isfinite, at)), median(at)))
        print(f"{name:<28} {cells[0][0]:>9} {cells[1][0]:>6} {cells[0][1]:>9} {cells[1][1]:>9}", flush=True)


if __name__ == "__main__":
    main()
