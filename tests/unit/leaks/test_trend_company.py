"""Series of one owner judged together, and series without any noise."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from steadycast.model.series import Measured, Resource, Unit
from steadycast.tracking.leaks.company import AGREE, ALONE, Leaning, eased
from steadycast.tracking.leaks.series import judge
from steadycast.tracking.leaks.together import ease
from steadycast.tracking.leaks.trend import Trend

IN_USE, PRIVATE, RSS = Measured(Resource.IN_USE), Measured(Resource.PRIVATE), Measured(Resource.RSS)
VRAM = Measured(Resource.VRAM)


def test_views_that_say_the_same_are_asked_for_less() -> None:
    leaning = {IN_USE: Leaning(60.0, 6.0), PRIVATE: Leaning(70.0, 5.0), RSS: Leaning(200.0, 5.0), VRAM: None}
    assert eased(leaning, 60.0) == {IN_USE: AGREE, PRIVATE: AGREE, RSS: 0.0, VRAM: 0.0}


def test_a_growth_outside_alone_is_asked_for_more() -> None:
    leaning = {IN_USE: None, PRIVATE: Leaning(70.0, 5.0)}
    assert eased(leaning, 2.0)[PRIVATE] == ALONE
    assert eased(leaning, 50.0)[PRIVATE] == 0.0  # in use grows as well, only less surely
    assert eased(leaning, None)[PRIVATE] == 0.0  # not known for so long


def test_series_outside_do_not_vouch_for_each_other() -> None:
    assert eased({PRIVATE: Leaning(70.0, 5.0), RSS: Leaning(70.0, 5.0)}, None) == {PRIVATE: 0.0, RSS: 0.0}


def test_together_they_are_sooner() -> None:
    alone, both = first_of(False), first_of(True)
    assert both < alone


def first_of(together: bool) -> int:
    rng = np.random.default_rng(3)
    trends = {one: Trend(Unit.BYTES) for one in (IN_USE, PRIVATE)}
    for minute in range(1440):
        level = 4e8 + 4e5 * max(0, minute - 300)
        for measured, noise in ((IN_USE, 1e6), (PRIVATE, 4e6)):
            verdict = trends[measured].update(minute * 60.0, level + float(rng.normal(0, noise)), {})
            if verdict is not None and verdict.holds:
                return minute
        if together and minute % 10 == 0:
            ease(trends)
    raise AssertionError("not found")


@pytest.mark.parametrize("rate", [0.0, 1e-300, 3e5, 1e280])
def test_a_perfectly_regular_series_makes_no_trouble(rate: float) -> None:
    times = np.arange(0, 86400, 60.0)
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        found = judge(times.tolist(), (times / 60 * rate).tolist())
    assert len(found) == (1 if rate else 0)
    for suspect in found:
        assert suspect.verdict.per_hour is not None
        assert suspect.verdict.per_hour.value == pytest.approx(60 * rate, rel=0.005)
