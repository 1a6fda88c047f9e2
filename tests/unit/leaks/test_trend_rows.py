"""What the rows of a series may be like: scaled, shifted, with gaps, at any step, twice, backwards; within bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadycast.model.series import Unit
from steadycast.tracking.leaks.bins import COARSE, FINE, ROW, Bins
from steadycast.tracking.leaks.series import judge
from steadycast.tracking.leaks.trend import Trend

N = 2 * 1440
RNG = np.random.default_rng(11)
NOISE = RNG.normal(0, 2, N)
LEAK = 500 + 0.3 * np.maximum(0, np.arange(N) - 600) + NOISE
TIMES = np.arange(N) * 60.0


def raised(times: np.ndarray, values: np.ndarray) -> list[float]:
    return [s.raised for s in judge(times.tolist(), values.tolist())]


def test_the_unit_of_the_values_does_not_matter() -> None:
    once = raised(TIMES, LEAK)
    assert once
    assert raised(TIMES, LEAK * 1048576) == once
    assert raised(TIMES, LEAK / 5000) == once


def test_the_origin_of_the_times_does_not_matter() -> None:
    assert [at - 1e9 for at in raised(TIMES + 1e9, LEAK)] == pytest.approx(raised(TIMES, LEAK), abs=1)


@pytest.mark.parametrize("step", [20, 60, 600])
def test_any_step_will_do(step: int) -> None:
    times = np.arange(0, 1.6 * 86400, step, dtype=float)
    noise = np.random.default_rng(step).normal(0, 2, len(times))
    grows = 500 + 0.005 * np.maximum(0, times - 36000) + noise
    found = raised(times, grows)
    assert found and 36000 < found[0] < 36000 + 14 * 3600
    assert raised(times, 500 + noise) == []


def test_gaps_and_rows_that_repeat_or_go_back_raise_nothing_and_hide_nothing() -> None:
    keep = np.ones(N, dtype=bool)
    for at in (200, 900, 1700, 2300):
        keep[at : at + 90] = False
    assert raised(TIMES[keep], (500 + NOISE)[keep]) == []
    messy = np.repeat(np.flatnonzero(keep), 2)
    messy[203::50] -= 3
    assert raised(TIMES[messy], LEAK[messy])


def test_a_gap_of_weeks_is_no_growth() -> None:
    times = np.concatenate([TIMES, TIMES + 40 * 86400])
    values = np.concatenate([500 + NOISE, 700 + NOISE])
    assert raised(times, values) == []


@given(st.lists(st.tuples(st.floats(-1e12, 1e12), st.floats(allow_nan=True, allow_infinity=True)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_row_breaks_it(rows: list[tuple[float, float]]) -> None:
    trend = Trend(Unit.BYTES)
    for at, value in rows:
        assert trend.update(at, value, {"a": value}) is None


def test_memory_is_bounded_and_windows_are_judged_once_a_bin() -> None:
    bins = Bins(0.0, 600.0)
    for k in range(0, 200 * 144 * 2):
        bins.add(k * 300.0, float(k % 7), {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0})
    assert len(bins.fine) <= FINE
    assert len(bins.coarse) <= COARSE
    assert bins.nbytes <= 8 * ROW * (FINE + COARSE + 20)
    assert len(bins.names) == 4
    trend = Trend(Unit.BYTES)
    for at, value in zip(TIMES.tolist(), LEAK.tolist(), strict=True):
        trend.update(at, value, {})
    assert 0 < trend.judged < 25 * N / 10


def test_a_bin_keeps_its_valley_and_what_nobody_measured_stays_unknown() -> None:
    bins = Bins(0.0, 600.0)
    for minute in [*range(10), *range(30, 41)]:
        bins.add(minute * 60.0, 100.0 if minute % 10 in (3, 7) else 900.0, {})
    assert bins.fine.rows[0, 0] == 100.0
    assert math.isnan(bins.fine.rows[1, 0]) and math.isnan(bins.fine.rows[2, 0])
    assert bins.fine.rows[3, 0] == 100.0


def test_a_short_recording_is_judged_at_its_own_scale() -> None:
    times = np.arange(0, 600, 0.5)
    noise = np.random.default_rng(2).normal(0, 5, len(times))
    warm = 1700 + 300 * (1 - np.exp(-times / 60)) + noise
    assert raised(times, warm) == []
    assert raised(times, warm + 7 * np.maximum(0, times - 120))
