"""Harmless series, in two halves: thresholds were tuned on TUNED, numbers are reported on HELD as well."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.leaks.series import Array, Made, Random, ar, base, day, hours, sessions, white

Family = Callable[[Random, int], Made]


def iid(rng: Random, n: int) -> Made:
    return Made("iid", base(rng) + white(rng, n, rng.uniform(1, 12)))


def memory_noise(rng: Random, n: int) -> Made:
    return Made("ar", base(rng) + ar(rng, n, rng.uniform(20, 300), rng.uniform(3, 25)) + white(rng, n, 1))


def warm_up(rng: Random, n: int) -> Made:
    rise = rng.uniform(50, 500) * (1 - np.exp(-hours(n) / rng.uniform(0.2, 4)))
    return Made("warm-up", base(rng) + rise + white(rng, n, rng.uniform(1, 5)))


def sawtooth(rng: Random, n: int) -> Made:
    period, height = rng.uniform(0.5, 10), rng.uniform(20, 150)
    phase = hours(n) / period + rng.uniform(0, 1) + 0.05 * ar(rng, n, 600, 1)
    return Made("sawtooth", base(rng) + height * (phase % 1) + white(rng, n, 2))


def session_load(rng: Random, n: int) -> Made:
    active = sessions(rng, n, rng.uniform(2, 10) * day(n, rng.uniform(0, 1), rng.uniform(0, 0.7)), rng.uniform(10, 90))
    values = base(rng) + rng.uniform(4, 25) * active + white(rng, n, 2)
    return Made("session load", values, {"sessions": active})


def steps(rng: Random, n: int) -> Made:
    values = np.full(n, base(rng))
    for at in rng.integers(0, n, rng.integers(1, 5)):
        values[at:] += rng.uniform(-60, 150)
    return Made("steps", values + ar(rng, n, 30, 3))


def ratchet(rng: Random, n: int) -> Made:
    bursts = np.where(rng.random(n) < rng.uniform(0.5, 3) / 60, rng.gamma(2, rng.uniform(10, 40), n), 0)
    values = base(rng) + rng.uniform(0.6, 1) * np.maximum.accumulate(bursts) + white(rng, n, 2)
    return Made("ratchet", values)


def log_growth(rng: Random, n: int) -> Made:
    grown = rng.uniform(15, 60) * np.log1p(hours(n) / rng.uniform(0.3, 3))
    return Made("log growth", base(rng) + grown + ar(rng, n, 20, rng.uniform(1, 4)))


def heavy_tails(rng: Random, n: int) -> Made:
    return Made("heavy tails", base(rng) + np.abs(rng.standard_t(1.5, n)) * rng.uniform(1, 6))


def daily(rng: Random, n: int) -> Made:
    level = base(rng)
    swing = rng.uniform(0.03, 0.15) * level * day(n, rng.uniform(0, 1))
    return Made("daily", level + swing + ar(rng, n, 30, rng.uniform(1, 6)))


def gaps(rng: Random, n: int) -> Made:
    values = base(rng) + ar(rng, n, 60, rng.uniform(2, 12))
    for at in rng.integers(0, n, rng.integers(2, 9)):
        values[at : at + int(rng.exponential(180))] = np.nan
    return Made("gaps", values)


def restart(rng: Random, n: int) -> Made:
    low, rise, tau = base(rng), rng.uniform(40, 300), rng.uniform(0.2, 2)
    starts = (0, *sorted(int(s) for s in rng.integers(60, n, rng.integers(1, 4))))
    values = np.empty(n)
    for at in starts:
        values[at:] = low + rise * (1 - np.exp(-hours(n - at) / tau))
    return Made("restart", values + white(rng, n, 3), restarts=starts[1:])


# The second half


def saturating(rng: Random, n: int) -> Made:
    at = int(rng.uniform(0, 0.5) * n)
    since = np.maximum(0, hours(n) - at / 60)
    grown = rng.uniform(30, 300) * (1 - np.exp(-since / np.exp(rng.uniform(np.log(0.5), np.log(12)))))
    return Made("saturating cache", base(rng) + grown + ar(rng, n, 20, rng.uniform(1, 5)))


def root_growth(rng: Random, n: int) -> Made:
    return Made("sqrt growth", base(rng) + rng.uniform(5, 20) * np.sqrt(hours(n)) + ar(rng, n, 20, rng.uniform(1, 4)))


def week(rng: Random, n: int) -> Made:
    busy = day(n, rng.uniform(0, 1)) * np.where((hours(n) / 24 + rng.uniform(0, 7)) % 7 < 5, 1, rng.uniform(0.2, 0.5))
    active = sessions(rng, n, rng.uniform(3, 8) * busy, rng.uniform(20, 90))
    return Made("week", base(rng) + rng.uniform(4, 15) * active + white(rng, n, 2), {"viewers": active})


def adoption(rng: Random, n: int) -> Made:
    more = 1 + hours(n) / 96 * rng.uniform(0.5, 3)
    active = sessions(rng, n, rng.uniform(2, 6) * more * day(n, rng.uniform(0, 1), 0.6), rng.uniform(20, 60))
    values = base(rng) + rng.uniform(4, 20) * active + white(rng, n, 2)
    return Made("adoption", values, {"sessions": active})


def bursts(rng: Random, n: int) -> Made:
    values = base(rng) + white(rng, n, 2)
    for at in rng.integers(0, n, rng.integers(5, 60)):
        values[at : at + int(rng.exponential(40)) + 1] += rng.uniform(20, 300)
    return Made("bursts", values)


def long_memory(rng: Random, n: int) -> Made:
    noise: Array = sum((ar(rng, n, tau, rng.uniform(2, 10)) for tau in (10, 60, 360, 1440)), np.zeros(n))
    return Made("long memory", base(rng) + noise)


def spikes(rng: Random, n: int) -> Made:
    values = base(rng) + white(rng, n, 1)
    values[rng.random(n) < 0.003] *= rng.uniform(1.5, 5)
    values[rng.random(n) < 0.0005] = 0
    return Made("spikes", values)


def shifts(rng: Random, n: int) -> Made:
    level = np.zeros(n)
    for at in rng.integers(0, n, rng.integers(3, 20)):
        level[at:] = rng.normal(0, 1)
    return Made("level shifts", base(rng) + rng.uniform(10, 80) * level + ar(rng, n, 20, 3))


def quantised(rng: Random, n: int) -> Made:
    grain = rng.choice([1.0, 4.0, 16.0])
    values = base(rng) + ar(rng, n, 100, rng.uniform(1, 8)) + 10 * np.log1p(hours(n))
    return Made("quantised", np.round(values / grain) * grain)


def dropped_cache(rng: Random, n: int) -> Made:
    values, at, low = np.empty(n), 0, base(rng)
    rate, most = rng.uniform(0.05, 0.5), rng.uniform(0.05, 0.3) * low
    while at < n:
        size = int(rng.uniform(4, 14) * 60)
        values[at : at + size] = low + np.minimum(rate * np.arange(size), most)[: n - at]
        at += size
    return Made("dropped cache", values + white(rng, n, 2))


def high_water(rng: Random, n: int) -> Made:
    active = sessions(rng, n, rng.uniform(2, 8) * day(n, rng.uniform(0, 1)), rng.uniform(20, 60))
    kept = rng.uniform(3, 12) * np.maximum.accumulate(active)
    return Made("high water", base(rng) + kept + rng.uniform(1, 6) * active + white(rng, n, 2), {"sessions": active})


def plain(rng: Random, n: int) -> Made:
    return Made("plateau", base(rng) + 40 * (1 - np.exp(-hours(n) / 0.3)) + white(rng, n, 1))


TUNED: tuple[Family, ...] = (
    iid, warm_up, session_load, ratchet, heavy_tails, gaps, saturating, week, bursts, spikes, quantised, high_water,
)  # fmt: skip
HELD: tuple[Family, ...] = (
    memory_noise, sawtooth, steps, log_growth, daily, restart, root_growth, adoption, long_memory, shifts,
    dropped_cache, plain,
)  # fmt: skip
