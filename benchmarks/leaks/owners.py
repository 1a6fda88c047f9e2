"""`python -m benchmarks.leaks.owners [--owners N] [--leaks N] [--jobs N] [--slow]`: owners of which three series are
known (in use, private, RSS), over 96 hours, or over 30 days with leaks of a few megabytes a day. In use is what the
program holds; private memory has the pages of its allocator beside it, RSS pages of files too. Each series is judged
alone; then the first of them that says anything; then all together."""

from __future__ import annotations

import argparse
import math
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median

import numpy as np

from benchmarks.leaks.leaking import KINDS
from benchmarks.leaks.practice import quiet_noise
from benchmarks.leaks.protocol import BY_NAME, RATES, SETS, wilson
from benchmarks.leaks.series import MINUTES, Array, Random
from benchmarks.leaks.slow import A_DAY, DAYS
from benchmarks.leaks.slow import RATES as SLOW_RATES
from steadycast.model.series import Measured, Resource, Unit
from steadycast.tracking.leaks.together import ease
from steadycast.tracking.leaks.trend import Trend

VIEWS = (Resource.IN_USE, Resource.PRIVATE, Resource.RSS)
WAYS = (*(view.value for view in VIEWS), "first of them", "together")
A_YEAR = 365.25 * A_DAY  # minutes


@dataclass(frozen=True, slots=True)
class Owner:
    """`own`: what the program itself does is of a family, too; else only what lies around it is."""

    group: str
    family: str
    seed: int
    own: bool
    rate: float = 0.0  # MB a minute
    minutes: int = MINUTES

    def make(self) -> tuple[dict[Resource, Array], int]:
        """Megabytes a minute by view, and the minute at which a leak begins."""
        rng = np.random.default_rng([zlib.crc32(f"owner {self.family} {self.own} {self.rate}".encode()), self.seed])
        made = BY_NAME[self.family](rng, self.minutes).values
        known = np.flatnonzero(~np.isnan(made))
        moved = np.interp(np.arange(self.minutes), known, made[known])
        level = float(np.median(moved))
        held = level + quiet_noise(rng, self.minutes, 0.3 * level)
        held = held + (moved - moved.min() if self.own else 0.0)
        onset = 0
        if self.rate:
            onset = int(rng.uniform(24, 48) * 60) if self.seed % 2 else 0
            held[onset:] += KINDS[list(KINDS)[self.seed % len(KINDS)]](rng, self.minutes - onset, self.rate)
        around = kept(rng, held) + (0.0 if self.own else moved - moved.min())
        private = held + around + quiet_noise(rng, self.minutes, 0.5 * level)
        files = 0.2 * level + quiet_noise(rng, self.minutes, level)
        return {VIEWS[0]: held, VIEWS[1]: private, VIEWS[2]: private + files}, onset


Told = tuple[Owner, dict[str, float]]  # hours by way


def kept(rng: Random, held: Array) -> Array:
    """What an allocator keeps of what was given back, and returns slowly."""
    high = np.maximum.accumulate(held)
    out: Array = (high - held) * rng.uniform(0.2, 0.9)
    return out


def first(series: dict[Resource, Array], onset: int, together: bool) -> dict[Resource, int]:
    """The minute of the first suspect of each view."""
    trends = {Measured(view): Trend(Unit.BYTES) for view in series}
    found: dict[Resource, int] = {}
    columns = {view: (values * 1e6).tolist() for view, values in series.items()}
    for minute in range(len(next(iter(columns.values())))):
        for measured, trend in trends.items():
            verdict = trend.update(minute * 60.0, columns[measured.resource][minute], {})
            if verdict is not None and verdict.holds and minute >= onset:
                found.setdefault(measured.resource, minute)
        if together and minute % 10 == 0:
            ease(trends)
        if len(found) == len(series) or (together and found):
            break
    return found


def judge(owner: Owner) -> Told:
    """Hours until it was told, by way; infinite where it was not."""
    series, onset = owner.make()
    alone = first(series, onset, False)
    both = first(series, onset, True)
    hours = {view.value: (alone[view] - onset) / 60 if view in alone else math.inf for view in VIEWS}
    hours["first of them"] = min(hours.values())
    hours["together"] = min(((at - onset) / 60 for at in both.values()), default=math.inf)
    return owner, hours


def show(told: list[Told], minutes: int, rates: tuple[float, ...], unit: float, says: str) -> None:
    """`unit`: of what is printed, in MB a minute."""
    for own, title in ((False, "The family lies around the program"), (True, "The program itself is of the family")):
        print(f"\n{title}\n\n{'':12}{'':18}{f'raised in {minutes // 60} h, no leak':>26}{'an owner-year':>24}", end="")
        print("".join(f"{f'{rate / unit:g} {says}':>18}" for rate in rates))
        for group in dict.fromkeys(owner.group for owner, _ in told):
            of = [(owner.rate, hours) for owner, hours in told if owner.own == own and owner.group == group]
            for way in WAYS:
                print(f"{group:12}{way:18}" + line([(rate, hours[way]) for rate, hours in of], minutes, rates))


def line(of: list[tuple[float, float]], minutes: int, rates: tuple[float, ...]) -> str:
    """Of pairs of a rate and hours until it was told."""
    harmless = [math.isfinite(hours) for rate, hours in of if not rate]
    low, high = wilson(sum(harmless), len(harmless))
    year, share = A_YEAR / minutes, sum(harmless) / max(1, len(harmless))
    cells = [f"{sum(harmless)}/{len(harmless)} ({100 * low:.1f} to {100 * high:.1f} %)".rjust(26)]
    cells.append(f"{year * share:.1f} ({year * low:.1f} to {year * high:.1f})".rjust(24))
    for rate in rates:
        hours = [h for r, h in of if r == rate]
        found = f"{sum(map(math.isfinite, hours))}/{len(hours)}, {median(hours):.1f} h" if hours else "-"
        cells.append(found.rjust(18))
    return "".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaks.owners", description=__doc__)
    parser.add_argument("--owners", type=int, default=8, help="harmless owners of each family")
    parser.add_argument("--leaks", type=int, default=4, help="leaking owners of each family and rate")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--slow", action="store_true", help=f"{DAYS} days, {SLOW_RATES} MB a day")
    given = parser.parse_args()
    minutes = DAYS * A_DAY if given.slow else MINUTES
    rates = tuple(rate / A_DAY for rate in SLOW_RATES) if given.slow else RATES
    todo = [
        Owner(group, family.__name__, seed, own, rate, minutes)
        for group in given.sets
        for family in SETS[group]
        for own in (False, True)
        for rate, count in ((0.0, given.owners), *((rate, given.leaks) for rate in rates))
        for seed in range(count)
    ]
    with ProcessPoolExecutor(given.jobs) as pool:
        told = list(pool.map(judge, todo, chunksize=2))
    show(told, minutes, rates, *((1 / A_DAY, "MB a day") if given.slow else (1.0, "MB/min")))


if __name__ == "__main__":
    main()
