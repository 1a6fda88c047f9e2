"""`python -m benchmarks.leaks.slow [--harmless N] [--leaks N] [--jobs N]`: 30 days of minutes, and leaks of a few
megabytes a day beside daily minima of a week, as published descriptions of such a tier have them."""

from __future__ import annotations

import argparse
import math
import zlib
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from statistics import median

import numpy as np

from benchmarks.leaks.leaking import leaking
from benchmarks.leaks.protocol import BY_NAME, OURS, SETS, ours, wilson
from benchmarks.leaks.series import Made

DAYS = 30
A_DAY = 1440
RATES = (4.0, 20.0)  # MB a day
KINDS = ("smooth", "lumpy", "staircase", "hours a day")
MINIMA = "daily minima"

Job = tuple[str, str, int, float]  # group, family, seed, MB a day
Told = tuple[Job, dict[str, int | None]]


def make(job: Job) -> Made:
    _, family, seed, rate = job
    rng = np.random.default_rng([zlib.crc32(f"slow {family} {rate}".encode()), seed])
    made = BY_NAME[family](rng, DAYS * A_DAY)
    return leaking(made, rng, KINDS[seed % len(KINDS)], rate / A_DAY, False) if rate else made


def daily_minima(made: Made) -> int | None:
    """Seven days, each higher than the one before, by more than 2 MB a day, carried by no single day, the second half
    not much slower; a life begins anew. Judged at the end of each day."""
    cuts = [0, *made.restarts, len(made.values)]
    for start, end in pairwise(cuts):
        days = (end - start) // A_DAY
        if days < 7:
            continue
        low = np.nanmin(made.values[start : start + days * A_DAY].reshape(days, A_DAY), axis=1)
        for last in range(7, days + 1):
            growth = np.diff(low[last - 7 : last])
            whole = float(growth.sum())
            if growth.min() > 0 and whole > 12 and growth.max() < 0.5 * whole and growth[3:].sum() > 0.29 * whole:
                return start + last * A_DAY - 1
    return None


def judge(job: Job) -> Told:
    made = make(job)
    return job, {MINIMA: daily_minima(made), OURS: ours(made, False)}


def show(told: list[Told]) -> None:
    print(f"{'':14}{'':16}{'raised in 30 days, no leak':>34}" + "".join(f"{f'{r:g} MB a day':>22}" for r in RATES))
    for group in SETS:
        for name in (MINIMA, OURS):
            of = [at[name] for (g, _, _, rate), at in told if g == group and not rate]
            hits = sum(at is not None for at in of)
            low, high = wilson(hits, len(of))
            cells = [f"{hits}/{len(of)} ({100 * low:.1f} to {100 * high:.1f} %)".rjust(34)]
            for rate in RATES:
                minutes = [at[name] for (g, _, _, r), at in told if (g, r) == (group, rate)]
                days = median(math.inf if at is None else at / A_DAY for at in minutes)
                share = sum(at is not None for at in minutes) / len(minutes)
                cells.append(f"{100 * share:.0f} %, {days:.1f} d".rjust(22))
            print(f"{group:14}{name:16}" + "".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaks.slow", description=__doc__)
    parser.add_argument("--harmless", type=int, default=8, help="harmless series of each family")
    parser.add_argument("--leaks", type=int, default=4, help="leaking series of each family and rate")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    given = parser.parse_args()
    todo: list[Job] = [
        (group, family.__name__, seed, rate)
        for group, families in SETS.items()
        for family in families
        for rate, count in ((0.0, given.harmless), *((rate, given.leaks) for rate in RATES))
        for seed in range(count)
    ]
    with ProcessPoolExecutor(given.jobs) as pool:
        show(list(pool.map(judge, todo, chunksize=2)))


if __name__ == "__main__":
    main()
