"""One made-up series with its truth, and the noises that families are mixed from. One row a minute, megabytes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Random = np.random.Generator

MINUTES = 96 * 60


@dataclass(slots=True)
class Made:
    """`values` (n,) in MB with NaN where nobody measured; `load` names to (n,); `restarts`: minutes at which another
    life begins. `leak`: MB a minute (0: harmless), `onset`: the minute it begins, `lost` (n,) how much had leaked."""

    family: str
    values: Array
    load: dict[str, Array] = field(default_factory=dict)
    restarts: tuple[int, ...] = ()
    leak: float = 0.0
    onset: int = 0
    kind: str = ""
    lost: Array | None = None


def ar(rng: Random, n: int, tau: float, sd: float) -> Array:
    """Noise that forgets over `tau` minutes."""
    from scipy.signal import lfilter

    phi = np.exp(-1.0 / tau)
    shocks = rng.normal(0, sd * np.sqrt(1 - phi**2), n)
    shocks[0] = rng.normal(0, sd)
    return np.asarray(lfilter([1.0], [1.0, -phi], shocks), dtype=np.float64)


def white(rng: Random, n: int, sd: float) -> Array:
    return rng.normal(0, sd, n)


def sessions(rng: Random, n: int, per_hour: Array | float, stay: float) -> Array:
    """How many are there each minute: arrivals an hour, mean stay in minutes."""
    rate = np.broadcast_to(np.asarray(per_hour, dtype=np.float64) / 60, (n,))
    come = rng.poisson(rate)
    change = np.zeros(n + 1)
    for minute in np.flatnonzero(come):
        for _ in range(int(come[minute])):
            end = minute + 1 + int(rng.exponential(stay))
            change[minute] += 1
            if end < n:
                change[end] -= 1
    return np.cumsum(change[:-1])


def hours(n: int) -> Array:
    return np.arange(n) / 60.0


def day(n: int, phase: float, share: float = 0.9) -> Array:
    """Activity of a day, 1 on average: more in the evening than at night."""
    turn = 2 * np.pi * (hours(n) / 24 + phase)
    out: Array = np.clip(1 + share * np.sin(turn) + 0.3 * share * np.sin(2 * turn), 0.02, None)
    return out


def base(rng: Random) -> float:
    return float(np.exp(rng.uniform(np.log(150), np.log(1500))))
