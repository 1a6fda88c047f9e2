"""One series through one detector, as it would have been judged while it was measured; and many of them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from benchmarks.leaks.families import HELD, TUNED, Family
from benchmarks.leaks.leaking import KINDS, leaking
from benchmarks.leaks.mixtures import MIXTURES
from benchmarks.leaks.practice import PRACTICE
from benchmarks.leaks.rivals import RIVALS
from benchmarks.leaks.series import MINUTES, Made
from benchmarks.leaks.strangers import LATER, STRANGERS
from steadycast.model.series import Unit
from steadycast.tracking.leaks.trend import Trend

OURS = "Steadycast"
OURS_LOAD = "Steadycast, load known"
GATED_LOAD = "gated valleys, load known"
RATES = (0.05, 0.2, 1.0)
SETS: dict[str, tuple[Family, ...]] = {
    "tuned": TUNED, "practice": PRACTICE, "mixtures": MIXTURES, "held": HELD, "strangers": STRANGERS, "later": LATER,
}  # fmt: skip
BY_NAME = {family.__name__: family for families in SETS.values() for family in families}


@dataclass(frozen=True, slots=True)
class Job:
    """One series to make: `kind` is empty for a harmless one."""

    families: str
    family: str
    seed: int
    kind: str = ""
    rate: float = 0.0
    late: bool = False

    def make(self) -> Made:
        names = zlib.crc32(f"{self.family} {self.kind} {self.rate} {self.late}".encode())
        rng = np.random.default_rng([names, self.seed])
        made = BY_NAME[self.family](rng, MINUTES)
        return leaking(made, rng, self.kind, self.rate, self.late) if self.kind else made


@dataclass(frozen=True, slots=True)
class Told:
    """`at`: the minute of the first alarm at or after the onset, by detector. `lost`: MB that had leaked by then."""

    job: Job
    onset: int
    at: dict[str, int | None]
    lost: dict[str, float]


def ours(made: Made, with_load: bool) -> int | None:
    """The minute of the first suspect after the onset; one that was raised before it and still holds counts at once."""
    trend = Trend(Unit.BYTES)
    names = tuple(made.load) if with_load else ()
    columns = [made.load[name].tolist() for name in names]
    lives = set(made.restarts)
    nothing: dict[str, float] = {}
    for minute, value in enumerate((made.values * 1e6).tolist()):
        if minute in lives:
            trend.restart(minute * 60.0)
        busy = {name: column[minute] for name, column in zip(names, columns, strict=True)} if names else nothing
        verdict = trend.update(minute * 60.0, value, busy)
        if verdict is not None and verdict.holds and minute >= made.onset:
            return minute
    return None


def judge_all(job: Job) -> Told:
    made = job.make()
    at = {name: rival(made, False) for name, rival in RIVALS.items()}
    at[OURS] = ours(made, False)
    if made.load:
        at[GATED_LOAD] = RIVALS["gated valleys"](made, True)
        at[OURS_LOAD] = ours(made, True)
    lost = {
        name: float(made.lost[minute]) for name, minute in at.items() if minute is not None and made.lost is not None
    }
    return Told(job, made.onset, at, lost)


def jobs(harmless: int, leaks: int) -> list[Job]:
    """`harmless` series of each family, and `leaks` of each family and rate with kinds and onsets in turn."""
    kinds = list(KINDS)
    out: list[Job] = []
    for group, families in SETS.items():
        for f, family in enumerate(families):
            name = family.__name__
            out += [Job(group, name, seed) for seed in range(harmless)]
            out += [
                Job(group, name, seed, kinds[(5 * f + seed + r) % len(kinds)], rate, (f + seed // 2 + r) % 2 == 1)
                for seed in range(leaks)
                for r, rate in enumerate(RATES)
            ]
    return out


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if of == 0:
        return 0.0, 1.0
    z, p = 1.96, hits / of
    middle = (p + z * z / 2 / of) / (1 + z * z / of)
    half = z * float(np.sqrt(p * (1 - p) / of + z * z / 4 / of / of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)
