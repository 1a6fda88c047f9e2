"""Harmless series of shapes that the detector was never shown. STRANGERS were written after a first freeze; a gate was
added after looking at them (16 of 96 had raised a suspect), so they count as seen; LATER were written after that and
nothing was tuned on them. Whoever changes a threshold after looking at their numbers writes others."""

from __future__ import annotations

import numpy as np

from benchmarks.leaks.families import Family
from benchmarks.leaks.series import Array, Made, Random, ar, base, day, hours, sessions, white


def rare_jumps(rng: Random, n: int) -> Made:
    """Lognormal allocations at Weibull intervals, each given back after a while."""
    values = np.full(n, base(rng))
    at = 0.0
    while at < n:
        at += 240 * float(rng.weibull(0.6))
        values[int(at) : int(at + rng.exponential(400))] += float(rng.lognormal(2.5, 0.9))
    return Made("rare jumps", values + white(rng, n, 1.5))


def mapped_file(rng: Random, n: int) -> Made:
    """Pages of a mapped file come in as it is read, and the kernel takes them back under pressure."""
    values, held, rate = np.empty(n), 0.0, rng.uniform(0.1, 1.5)
    most = rng.uniform(60, 250)
    for i in range(n):
        held = held + rate * (1 - held / most) if rng.random() > 0.002 else held * rng.uniform(0.1, 0.7)
        values[i] = held
    return Made("mapped file", base(rng) + values + white(rng, n, 1))


def collected_heap(rng: Random, n: int) -> Made:
    """A collector that waits longer as it finds less to do: a sawtooth whose teeth grow until they are as large as they
    get."""
    values, level, at, period = np.empty(n), base(rng), 0, rng.uniform(5, 20)
    rate, most = rng.uniform(0.3, 2), rng.uniform(90, 400)
    while at < n:
        size = min(n - at, int(period) + 1)
        values[at : at + size] = level + rate * np.arange(size)
        at, period = at + size, min(period * rng.uniform(1.0, 1.15), most)
    return Made("collected heap", values + white(rng, n, 1))


def weekend(rng: Random, n: int) -> Made:
    open_ = (hours(n) / 24 + rng.uniform(0, 7)) % 7 < 5
    level: Array = np.where(open_, 1.0, 0.3) * rng.uniform(20, 80) * day(n, rng.uniform(0, 1), 0.5)
    smooth = np.convolve(level, np.ones(120) / 120, mode="same")
    return Made("weekend", base(rng) + 40 + smooth + ar(rng, n, 30, 3))


def cron(rng: Random, n: int) -> Made:
    values = np.full(n, base(rng))
    for every, size, stay in ((60, 30, 5), (360, 60, 25), (1440, 120, 90)):
        phase = int(rng.uniform(0, every))
        values += np.where((np.arange(n) + phase) % every < stay, size * rng.uniform(0.3, 1.2), 0)
    return Made("cron", values + white(rng, n, 2))


def trimmed_cache(rng: Random, n: int) -> Made:
    """It fills to a mark and is trimmed to another one, again and again."""
    high = rng.uniform(40, 150)
    low, values, held = high * rng.uniform(0.5, 0.9), np.empty(n), 0.0
    rate = high / rng.uniform(60, 900)
    for i in range(n):
        held += rate * float(rng.exponential(1))
        if held > high:
            held = low
        values[i] = held
    return Made("trimmed cache", base(rng) + values + white(rng, n, 1))


def fragmented(rng: Random, n: int) -> Made:
    """What a heap keeps besides what is in use creeps up with the square root of the work, to a share of it."""
    active = sessions(rng, n, rng.uniform(3, 8) * day(n, rng.uniform(0, 1), 0.5), 40)
    work = np.cumsum(active)
    kept = rng.uniform(20, 80) * (1 - np.exp(-np.sqrt(work / rng.uniform(2e3, 2e4))))
    values = base(rng) + kept + rng.uniform(3, 12) * active + white(rng, n, 2)
    return Made("fragmented", values, {"sessions": active})


def tenants(rng: Random, n: int) -> Made:
    """Tenants come and stay for a day or so, each with a plateau of its own that it reaches slowly."""
    values = np.full(n, base(rng))
    for _ in range(int(rng.integers(3, 12))):
        at, stay = int(rng.uniform(-1440, n)), int(rng.exponential(1500)) + 60
        since = np.arange(n) - at
        there = (since >= 0) & (since < stay)
        values += np.where(there, rng.uniform(10, 60) * (1 - np.exp(-np.maximum(since, 0) / rng.uniform(10, 120))), 0)
    return Made("tenants", values + ar(rng, n, 15, 2))


def drifting(rng: Random, n: int) -> Made:
    """A reading that wanders slowly both ways, held near its middle."""
    values, x = np.empty(n), 0.0
    pull, shocks = 1 / rng.uniform(600, 2400), rng.normal(0, rng.uniform(0.2, 0.8), n)
    for i in range(n):
        x += shocks[i] - pull * x
        values[i] = x
    return Made("drifting", base(rng) + values + white(rng, n, 1))


def lent_pool(rng: Random, n: int) -> Made:
    """A pool doubles when it is empty and never shrinks."""
    busy = sessions(rng, n, rng.uniform(2, 10) * day(n, rng.uniform(0, 1)), rng.uniform(10, 60))
    size = 2 ** np.ceil(np.log2(np.maximum(1, np.maximum.accumulate(busy))))
    return Made("lent pool", base(rng) + rng.uniform(1, 6) * size + white(rng, n, 1), {"sessions": busy})


def thousandths(rng: Random, n: int) -> Made:
    """Percent of a large machine: a few steps of what the reading can tell, with a rhythm."""
    share = rng.uniform(10, 60) + rng.uniform(0.1, 1.5) * day(n, rng.uniform(0, 1)) + ar(rng, n, 200, 0.15)
    return Made("percent", np.round(share, 1))


def late_plugin(rng: Random, n: int) -> Made:
    """Something is loaded in the middle of a life and warms up."""
    values = base(rng) + white(rng, n, 1.5)
    for at in rng.uniform(0, n, int(rng.integers(1, 4))):
        since = np.maximum(0, np.arange(n) - at)
        values += rng.uniform(10, 120) * since / (since + rng.uniform(10, 200))
    return Made("late plug-in", values)


STRANGERS: tuple[Family, ...] = (
    rare_jumps, mapped_file, collected_heap, weekend, cron, trimmed_cache, fragmented, tenants, drifting, lent_pool,
    thousandths, late_plugin,
)  # fmt: skip


def indexer(rng: Random, n: int) -> Made:
    """Each night it reads everything, and lets go of it in the morning."""
    t = (hours(n) + rng.uniform(0, 24)) % 24
    length, size = rng.uniform(1, 5), rng.uniform(30, 200)
    held = np.where(t < length, size * t / length, size * np.exp(-(t - length) / rng.uniform(0.2, 2)))
    return Made("indexer", base(rng) + held + white(rng, n, 2))


def reconnects(rng: Random, n: int) -> Made:
    """Buffers of connections that come back in waves; each wave reaches further into the same pool."""
    most, held, values = rng.uniform(40, 160), 0.0, np.zeros(n)
    for at in sorted(rng.integers(0, n, int(rng.integers(3, 15)))):
        held += (most - held) * rng.uniform(0.05, 0.5)
        values[at:] = held
    return Made("reconnects", base(rng) + values + ar(rng, n, 10, 2))


def on_and_off(rng: Random, n: int) -> Made:
    """Work that comes and goes for times of any length."""
    values, at, on = np.zeros(n), 0, False
    while at < n:
        size = int(min(n, 5 * (1 + rng.pareto(1.1))))
        values[at : at + size] = rng.uniform(20, 90) if on else 0
        at, on = at + size, not on
    return Made("on and off", base(rng) + values + white(rng, n, 2))


def two_collectors(rng: Random, n: int) -> Made:
    """Small teeth on large ones."""
    minor, major = rng.uniform(3, 20), rng.uniform(60, 700)
    t = np.arange(n)
    values = rng.uniform(5, 20) * (t / minor % 1) + rng.uniform(10, 60) * (t / major % 1)
    return Made("two collectors", base(rng) + values + white(rng, n, 1))


def schedule(rng: Random, n: int) -> Made:
    """Another program each few hours, each with a level of its own, eased in."""
    levels = np.repeat(rng.normal(0, rng.uniform(10, 50), n // 180 + 1), 180)[:n]
    smooth = np.convolve(np.pad(levels, 30, mode="edge"), np.ones(61) / 61, mode="valid")
    return Made("schedule", base(rng) + smooth + white(rng, n, 2))


def wearing_in(rng: Random, n: int) -> Made:
    """It grows with each new thing that it sees, and sees new things ever more seldom."""
    seen = np.cumsum(rng.random(n) < rng.uniform(0.2, 0.9) / (1 + np.arange(n) / rng.uniform(60, 600)))
    return Made("wearing in", base(rng) + rng.uniform(0.1, 0.8) * seen + ar(rng, n, 15, 2))


LATER: tuple[Family, ...] = (indexer, reconnects, on_and_off, two_collectors, schedule, wearing_in)
