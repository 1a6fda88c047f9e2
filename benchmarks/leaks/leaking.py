"""Leaks put on top of a harmless series."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.leaks.series import Array, Made, Random, day, sessions

Kind = Callable[[Random, int, float], Array]


def smooth(rng: Random, n: int, rate: float) -> Array:
    return rate * np.arange(n, dtype=np.float64)


def lumpy(rng: Random, n: int, rate: float) -> Array:
    every = rng.uniform(5, 60)
    out: Array = np.cumsum((rng.random(n) < 1 / every) * rng.exponential(rate * every, n))
    return out


def staircase(rng: Random, n: int, rate: float) -> Array:
    every = int(rng.uniform(60, 240))
    out: Array = np.floor((np.arange(n) + rng.uniform(0, every)) / every) * rate * every
    return out


def with_sessions(rng: Random, n: int, rate: float) -> Array:
    active = sessions(rng, n, 4 * day(n, rng.uniform(0, 1), 0.5), 30)
    out: Array = np.cumsum(active) * rate / max(0.5, float(active.mean()))
    return out


def hours_a_day(rng: Random, n: int, rate: float) -> Array:
    on = ((np.arange(n) / 1440 + rng.uniform(0, 1)) % 1) < 0.4
    out: Array = np.cumsum(on, dtype=np.float64) * rate / 0.4
    return out


def in_slack(rng: Random, n: int, rate: float) -> Array:
    out: Array = np.maximum(0, rate * np.arange(n) - rng.uniform(10, 40))
    return out


KINDS: dict[str, Kind] = {
    "smooth": smooth, "lumpy": lumpy, "staircase": staircase, "with sessions": with_sessions,
    "hours a day": hours_a_day, "in slack": in_slack,
}  # fmt: skip


def leaking(made: Made, rng: Random, kind: str, rate: float, late: bool) -> Made:
    """Adds `rate` MB a minute on average, from the start or from somewhere in the second day on."""
    n = len(made.values)
    onset = int(rng.uniform(24, 48) * 60) if late else 0
    lost = np.zeros(n)
    lost[onset:] = KINDS[kind](rng, n - onset, rate)
    if made.restarts:  # what was lost comes back with a new life
        for at in made.restarts:
            lost[at:] -= lost[at]
    made.values = made.values + lost
    made.leak, made.onset, made.kind, made.lost = rate, onset, kind, lost
    return made
