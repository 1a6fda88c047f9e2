"""Harmless series mixed at random from what memory does for a while: fills, teeth, rhythms, curves, steps, of any
length and size rather than those of one program, so that thresholds fit no single shape. They were tuned on these."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.leaks.families import Family
from benchmarks.leaks.series import Array, Made, Random, ar, base, day, hours, sessions, white

Part = Callable[[Random, int, float], Array]


def between(rng: Random, low: float, high: float) -> float:
    """Any order of magnitude alike."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def size(rng: Random, level: float) -> float:
    return between(rng, 0.02, 0.4) * level


def since(rng: Random, n: int) -> Array:
    """Hours since a moment: the start as often as any other."""
    at = rng.uniform(0, 0.8 * n) if rng.random() < 0.6 else 0.0
    out: Array = np.maximum(0.0, hours(n) - at / 60)
    return out


def fill(rng: Random, n: int, level: float) -> Array:
    """Evenly, until it is full."""
    out: Array = size(rng, level) * np.minimum(1.0, since(rng, n) / between(rng, 0.3, 24))
    return out


def slowing(rng: Random, n: int, level: float) -> Array:
    t, scale = since(rng, n), between(rng, 0.2, 20)
    curves = (1 - np.exp(-t / scale), t / (t + scale), 0.3 * np.log1p(t / scale), (t / 96) ** rng.uniform(0.2, 0.6))
    out: Array = size(rng, level) * curves[int(rng.integers(len(curves)))]
    return out


def teeth(rng: Random, n: int, level: float) -> Array:
    """It grows and is given back, whole or in part, at times that differ a little."""
    height, period, back = size(rng, level), between(rng, 0.5, 30), rng.uniform(0.6, 1)
    out, at, low = np.zeros(n), int(-rng.uniform(0, period) * 60), 0.0
    while at < n:
        length = max(5, int(period * 60 * rng.uniform(0.7, 1.3)))
        part = low + height * (np.arange(length) / (period * 60)) ** rng.uniform(0.6, 1.2)
        a, b = max(0, at), min(n, at + length)
        if b > a:
            out[a:b] = part[a - at : b - at]
        low = min((1 - back) * float(part[-1]), height)
        at += length
    return out


def rhythm(rng: Random, n: int, level: float) -> Array:
    """A profile of the day, with days that are not alike."""
    turn = 2 * np.pi * (hours(n) / 24 + rng.uniform(0, 1))
    wave = np.sin(turn) + sum(rng.normal(0, 0.4 / k) * np.sin(k * turn + rng.uniform(0, 6)) for k in (2, 3, 4))
    days = np.interp(hours(n), np.arange(0, 121, 24), rng.uniform(0.5, 1.1, 6))
    out: Array = between(rng, 0.02, 0.15) * level * wave * days
    return out


def levels(rng: Random, n: int, level: float) -> Array:
    """Steps both ways, eased in or not."""
    out = np.zeros(n)
    for at in rng.integers(0, n, int(rng.integers(1, 12))):
        t = np.arange(n) - at
        ease = between(rng, 1, 120)
        out += rng.normal(0.2, 0.5) * np.where(t > 0, 1 - np.exp(-np.maximum(t, 0) / ease), 0)
    return out * size(rng, level)


def waves(rng: Random, n: int, level: float) -> Array:
    """Each wave of work reaches further into a pool that never shrinks."""
    out, held, most = np.zeros(n), 0.0, size(rng, level)
    for at in sorted(rng.integers(0, n, int(rng.integers(2, 20)))):
        held += (most - held) * rng.uniform(0.05, 0.6)
        out[at:] = held
    return out


def wander(rng: Random, n: int, level: float) -> Array:
    return ar(rng, n, between(rng, 60, 3000), between(rng, 0.005, 0.06) * level)


PARTS: tuple[Part, ...] = (fill, slowing, teeth, rhythm, levels, waves, wander)


def noise(rng: Random, n: int) -> Array:
    return white(rng, n, between(rng, 0.5, 8)) + ar(rng, n, between(rng, 5, 200), between(rng, 0.5, 8))


def of(name: str, rng: Random, n: int, *parts: Part) -> Made:
    level = base(rng)
    values = level + noise(rng, n)
    for part in parts:
        values = values + part(rng, n, level)
    return Made(name, np.maximum(values, 1.0))


def fills(rng: Random, n: int) -> Made:
    return of("fills", rng, n, fill)


def curves(rng: Random, n: int) -> Made:
    return of("curves", rng, n, slowing)


def saws(rng: Random, n: int) -> Made:
    return of("saws", rng, n, teeth)


def rhythms(rng: Random, n: int) -> Made:
    return of("rhythms", rng, n, rhythm)


def restless(rng: Random, n: int) -> Made:
    return of("restless", rng, n, (levels, waves, wander)[int(rng.integers(3))])


def mixed(rng: Random, n: int) -> Made:
    return of("mixed", rng, n, *(PARTS[i] for i in rng.choice(len(PARTS), 2, replace=False)))


def working(rng: Random, n: int) -> Made:
    """Work of a day, and one thing more."""
    busy = sessions(rng, n, between(rng, 1, 10) * day(n, rng.uniform(0, 1), rng.uniform(0, 0.9)), between(rng, 10, 120))
    made = of("working", rng, n, PARTS[int(rng.integers(len(PARTS)))])
    return Made("working", made.values + between(rng, 1, 20) * busy, {"sessions": busy})


MIXTURES: tuple[Family, ...] = (fills, curves, saws, rhythms, restless, mixed, working)
