"""What was seen over time outlives the control plane that saw it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from steadycast.model import Unit
from steadycast.tracking.leaks.exhaustion import Limit
from steadycast.tracking.leaks.trend import Trend

MB = 2.0**20
HOUR = 3600.0
MINUTE = 60.0


def again_trend(trend: Trend) -> Trend:
    fresh = Trend(Unit.BYTES)
    fresh.restore(json.loads(json.dumps(trend.state())))
    return fresh


def again_limit(limit: Limit) -> Limit:
    fresh = Limit()
    fresh.restore(json.loads(json.dumps(limit.state())))
    return fresh


def told_at(hours: float, per_hour: float, cut: float | None) -> list[tuple[float, bool]]:
    """When (hours) it begins to be told and ends, of a leak that stops after three quarters; saved at `cut`."""
    noise, trend = np.random.default_rng(7), Trend(Unit.BYTES)
    changes: list[tuple[float, bool]] = []
    for minute in range(0, int(hours * 60), 4):
        at = minute * MINUTE
        grown = per_hour * min(at / HOUR, 0.75 * hours)
        viewers = float(minute // 95 % 4)
        verdict = trend.update(at, 200 * MB + grown + 3 * MB * viewers + noise.normal(0, MB / 2), {"viewers": viewers})
        telling = verdict is not None and verdict.holds
        if telling is not bool(changes and changes[-1][1]):
            changes.append((at / HOUR, telling))
        if cut is not None and at == cut * HOUR:
            trend = again_trend(trend)
    return changes


def test_a_trend_goes_on_after_a_restart_of_who_watches() -> None:
    straight = told_at(60, 6 * MB, None)
    assert [telling for _, telling in straight] == [True, False]
    for cut in (5.0, 14.0, 50.0):
        cut_once = told_at(60, 6 * MB, cut)
        assert [telling for _, telling in cut_once] == [True, False]
        for (before, _), (after, _) in zip(straight, cut_once, strict=True):
            assert abs(before - after) <= 1.0, "an hour, of some twenty"


def test_counters_of_one_life_are_saved_as_seen() -> None:
    trend = Trend(Unit.BYTES)
    for minute in range(600):
        trend.update(minute * MINUTE, 1e11 + 4096.0 * minute, {})
    state = trend.state()
    assert again_trend(trend).state() == state
    assert len(json.dumps(state)) < 8_000


def test_a_trend_that_saw_nothing() -> None:
    assert again_trend(Trend(Unit.BYTES)).update(0.0, 1.0, {}) is None


@pytest.mark.parametrize("rings", [[1, 2], ["00000", "00000"], ["~", "~"], []])
def test_what_is_broken_is_an_error_that_the_books_catch(rings: list[Any]) -> None:
    trend = Trend(Unit.BYTES)
    for minute in range(60):
        trend.update(minute * MINUTE, 1.0, {"sessions": 1.0})
    state = trend.state()
    state["bins"]["rings"] = rings
    with pytest.raises((TypeError, ValueError)):
        Trend(Unit.BYTES).restore(state)


def test_a_limit_goes_on() -> None:
    straight, cut = Limit(), Limit()
    for second in range(0, 900, 3):
        used = 50 + second / 9
        first = straight.update(float(second), used, 200.0)
        second_one = cut.update(float(second), used, 200.0)
        if second in (60, 300):
            cut = again_limit(cut)
    assert first is not None and second_one is not None
    assert first.holds and second_one.holds
    assert abs(first.chance - second_one.chance) < 1e-9
