"""Harmless series to tune on, of programs in general rather than of one: what fills, is given back, follows the day or
the work, each of any size and length. Whoever searches for better thresholds does it on these, and on TUNED."""

from __future__ import annotations

import numpy as np

from benchmarks.leaks.families import Family
from benchmarks.leaks.series import Array, Made, Random, ar, base, day, hours, sessions, white


def any_of(rng: Random, low: float, high: float) -> float:
    """Log-uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def quiet_noise(rng: Random, n: int, level: float) -> Array:
    """From a hardly moving process to one that breathes by a few per cent."""
    return white(rng, n, any_of(rng, 0.1, 6)) + ar(rng, n, any_of(rng, 3, 400), any_of(rng, 0.0005, 0.02) * level)


def pool(rng: Random, n: int) -> Made:
    """Takes what it is given until it is full, at the pace of the day or evenly, and keeps it."""
    level = base(rng)
    begin = 0 if rng.random() < 0.4 else int(rng.uniform(0, 0.7 * n))
    pace = day(n, rng.uniform(0, 1), rng.uniform(0, 0.9)) if rng.random() < 0.5 else np.ones(n)
    worked = np.maximum.accumulate(np.concatenate([np.zeros(begin), np.cumsum(pace[begin:])]))
    share = np.minimum(1.0, worked / 60 / any_of(rng, 0.5, 20)) ** rng.uniform(0.5, 1.0)
    return Made("pool", level + any_of(rng, 0.04, 0.4) * level * share + quiet_noise(rng, n, level))


def collector(rng: Random, n: int) -> Made:
    """Grows until it is collected, the whole or most of it, at moments that are not quite even."""
    level, period = base(rng), any_of(rng, 0.4, 36) * 60
    height, out, at, low = any_of(rng, 0.02, 0.35) * level, np.zeros(n), -int(rng.uniform(0, 60)), 0.0
    while at < n:
        length = max(4, int(period * rng.lognormal(0, 0.25)))
        tooth = low + (height - low) * np.minimum(1.4, np.arange(length) / period)
        part = tooth[max(0, -at) : max(0, n - at)]
        out[max(0, at) : max(0, at) + len(part)] = part
        at, low = at + length, float(tooth[-1]) * rng.uniform(0, 0.3)
    return Made("collector", level + out + quiet_noise(rng, n, level))


def habits(rng: Random, n: int) -> Made:
    """A day like the other, with a second and third wave in it; some days are idle."""
    level, turn = base(rng), 2 * np.pi * (hours(n) / 24 + rng.uniform(0, 1))
    profile = np.sin(turn) + sum(rng.normal(0, 0.35) * np.sin(k * turn + rng.uniform(0, 6.3)) for k in (2, 3))
    strong = np.interp(hours(n), np.arange(0, 121, 24), rng.uniform(0.4, 1.2, 6))
    swing: Array = any_of(rng, 0.01, 0.14) * level * profile * strong
    return Made("habits", level + swing + quiet_noise(rng, n, level))


def nightly(rng: Random, n: int) -> Made:
    """A job that climbs for hours at the same time of each day, and ends."""
    level, length = base(rng), any_of(rng, 0.5, 9) * 60
    since = (np.arange(n) + int(rng.uniform(0, 1440))) % 1440
    on = np.where(since < length, since / length, 0.0)
    kept = np.maximum.accumulate(on) * rng.uniform(0, 0.3)
    return Made("nightly", level + any_of(rng, 0.03, 0.4) * level * np.maximum(on, kept) + quiet_noise(rng, n, level))


def tide(rng: Random, n: int) -> Made:
    """Wanders over hours or days within its bounds."""
    level = base(rng)
    return Made("tide", level + ar(rng, n, any_of(rng, 60, 4000), any_of(rng, 0.005, 0.06) * level) + white(rng, n, 1))


def settling(rng: Random, n: int) -> Made:
    """Less and less is added, from the start of the process or of something new in it."""
    level = base(rng)
    t = np.maximum(0.0, hours(n) - (0.0 if rng.random() < 0.6 else rng.uniform(2, 70)))
    scale = any_of(rng, 0.2, 16)
    curve = (1 - np.exp(-t / scale), np.log1p(t / scale) / 4, t / (t + scale), (t / 96) ** rng.uniform(0.25, 0.6))
    grown = any_of(rng, 0.04, 0.6) * level * curve[int(rng.integers(len(curve)))]
    return Made("settling", level + grown + quiet_noise(rng, n, level))


def stages(rng: Random, n: int) -> Made:
    """Steps at any time, most of them up, each eased in over minutes or hours."""
    level, out = base(rng), np.zeros(n)
    for at in rng.integers(0, n, int(rng.integers(1, 14))):
        t = np.maximum(0.0, np.arange(n) - at)
        out += rng.normal(0.3, 0.6) * (1 - np.exp(-t / any_of(rng, 1, 180)))
    return Made("stages", level + any_of(rng, 0.02, 0.2) * level * out + quiet_noise(rng, n, level))


def held_high(rng: Random, n: int) -> Made:
    """Each burst that is larger than all before leaves a part of itself behind."""
    level = base(rng)
    many = np.where(rng.random(n) < any_of(rng, 0.2, 6) / 60, rng.gamma(rng.uniform(1, 4), 1.0, n), 0.0)
    kept = np.maximum.accumulate(many) * rng.uniform(0.4, 1)
    return Made("held high", level + any_of(rng, 0.01, 0.08) * level * kept + quiet_noise(rng, n, level))


def at_work(rng: Random, n: int) -> Made:
    """So much a viewer, given back some time after the viewer has gone; more viewers day by day or not."""
    level, more = base(rng), 1 + hours(n) / 96 * rng.uniform(0, 2) * (rng.random() < 0.4)
    many = any_of(rng, 1, 10) * more * day(n, rng.uniform(0, 1), rng.uniform(0, 0.9))
    busy = sessions(rng, n, many, any_of(rng, 10, 100))
    keep = int(any_of(rng, 1, 90))
    late = np.convolve(np.concatenate([np.full(keep, busy[0]), busy]), np.ones(keep) / keep, mode="valid")[1:]
    high = np.maximum.accumulate(busy) * rng.uniform(0, 0.6)
    values = level + any_of(rng, 0.004, 0.03) * level * (late + high)
    return Made("at work", values + quiet_noise(rng, n, level), {"viewers": busy})


PRACTICE: tuple[Family, ...] = (
    pool, collector, habits, nightly, tide, settling, stages, held_high, at_work,
)  # fmt: skip
