"""Growth with time is told from all that looks like it for a while: one fixed series of each hard kind."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from steadycast.tracking.leaks.series import Suspect, judge

Array = npt.NDArray[np.float64]
MB = 1e6


def hours(days: float) -> Array:
    return np.arange(int(days * 1440)) / 60


def noise(n: int, sd: float, seed: int) -> Array:
    return np.random.default_rng(seed).normal(0, sd, n)


def judged(mb: Array, load: dict[str, Array] | None = None, restarts: tuple[float, ...] = ()) -> list[Suspect]:
    busy = {name: column.tolist() for name, column in (load or {}).items()}
    return judge((np.arange(len(mb)) * 60.0).tolist(), (mb * MB).tolist(), busy, restarts=restarts)


def harmless(kind: str) -> Array:
    t, rng = hours(3), np.random.default_rng(7)
    n = len(t)
    ratchet = np.maximum.accumulate(np.where(rng.random(n) < 1 / 60, rng.gamma(2, 20, n), 0))
    steps = np.cumsum(np.where(rng.random(n) < 1 / 900, rng.normal(0, 60, n), 0))
    shapes = {
        "flat": np.zeros(n),
        "warm-up": 300 * (1 - np.exp(-t / 1.5)),
        "slow warm-up": 150 * (1 - np.exp(-t / 6)),
        "logarithm": 40 * np.log1p(t),
        "square root": 10 * np.sqrt(t),
        "day": 60 * np.sin(2 * np.pi * t / 24 + 1),
        "sawtooth": 60 * ((t / 3) % 1),
        "ratchet": ratchet,
        "steps": steps,
        "one step": np.where(t > 30, 200, 0),
        "spikes": np.where(rng.random(n) < 0.002, 5000, 0),
        "zeros": np.where(rng.random(n) < 0.002, -500, 0),
        "heavy tails": np.abs(rng.standard_t(1.5, n)) * 5,
    }
    return 500 + shapes[kind] + noise(n, 2, 1)


@pytest.mark.parametrize(
    "kind",
    ["flat", "warm-up", "slow warm-up", "logarithm", "square root", "day", "sawtooth", "ratchet", "steps", "one step",
     "spikes", "zeros", "heavy tails"],
)  # fmt: skip
def test_what_is_no_leak_raises_nothing(kind: str) -> None:
    assert judged(harmless(kind)) == []


@pytest.mark.parametrize(("rate", "within"), [(0.05, 30), (0.2, 16), (1.0, 6)])
@pytest.mark.parametrize("start", [0, 30])
def test_a_leak_is_raised_while_it_is_small(rate: float, within: float, start: float) -> None:
    t = hours(2.6)
    found = judged(500 + rate * 60 * np.maximum(0, t - start) + noise(len(t), 2, 3))
    assert found
    first = found[0]
    assert start < first.raised / 3600 <= start + within
    grows = first.verdict.per_hour
    assert grows is not None
    assert grows.value == pytest.approx(rate * 60 * MB, rel=0.25)
    assert first.verdict.since is not None
    assert first.verdict.evidence


def test_a_leak_below_a_rhythm_of_the_day_is_found() -> None:
    t = hours(4)
    assert judged(500 + 40 * np.sin(2 * np.pi * t / 24) + 12 * t / 2 + noise(len(t), 2, 4))


def test_load_is_taken_out() -> None:
    t, rng = hours(3), np.random.default_rng(5)
    sessions = np.clip(np.cumsum(rng.choice([-1, 0, 1], len(t), p=[0.05, 0.9, 0.05])) % 9, 0, None) + np.floor(t / 12)
    busy = 500 + 12 * sessions + noise(len(t), 2, 6)
    assert judged(busy, {"sessions": sessions}) == []
    leaking = judged(busy + 6 * np.maximum(0, t - 30), {"sessions": sessions})
    assert leaking and leaking[0].raised / 3600 > 30


def test_a_growth_that_ends_is_withdrawn() -> None:
    t = hours(3.5)
    found = judged(500 + 15 * np.clip(t - 20, 0, 20) + noise(len(t), 2, 8))
    assert found and found[-1].ended is not None


def test_lives_that_stop_at_one_height_are_no_leak() -> None:
    life = 300 * (1 - np.exp(-hours(1) / 3))
    t = np.concatenate([life, life, life])
    assert judged(400 + t + noise(len(t), 2, 9), restarts=(86400.0, 172800.0)) == []
