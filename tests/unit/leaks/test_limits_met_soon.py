"""Limits that are met within minutes: told while somebody can act, and nobody is woken by what only starts up."""

from __future__ import annotations

import random

import pytest

from steadycast.tracking.leaks.exhaustion import Limit
from steadycast.tracking.leaks.verdicts import Verdict

PAGES = 1e-5  # a chance of less pages


def judged(used: list[float], limit: float) -> list[Verdict | None]:
    watched = Limit()
    return [watched.update(float(second), value, limit) for second, value in enumerate(used)]


def test_a_rise_that_fills_it_in_minutes_is_told_before_and_pages_at_the_end() -> None:
    verdicts = judged([8.0 + 1.9 * second for second in range(200)], 400.0)
    told = next(second for second, one in enumerate(verdicts) if one is not None)
    paged = next(second for second, one in enumerate(verdicts) if one is not None and one.chance < PAGES)
    assert told <= 110  # 170 seconds are left from half of it
    assert 8.0 + 1.9 * paged <= 0.95 * 400.0


@pytest.mark.parametrize("seconds", [60, 240, 420])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.85])
def test_what_starts_up_and_stops_wakes_nobody(seconds: int, part: float) -> None:
    rolls = random.Random(seconds)
    rise = [1000.0 * part * second / seconds for second in range(seconds)]
    stays = [1000.0 * part - 5.0 * rolls.random() for _ in range(3600)]
    verdicts = judged(rise + stays, 1000.0)
    assert [one for one in verdicts if one is not None and one.chance < PAGES and one.holds] == []
    if part < 0.75:  # else it stays told that it is nearly full
        assert verdicts[-1] is None or not verdicts[-1].holds
