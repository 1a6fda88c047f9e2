"""The memory of a whole life, from minutes of history."""

from __future__ import annotations

import random

from steadycast.tracking.history.buckets import Bucket
from steadycast.upkeep.profile import profile_of

MB = 2.0**20


def minutes(count: int, per_hour: float) -> list[Bucket]:
    rolls = random.Random(4)
    levels = [100 * MB + per_hour * n / 60 + rolls.gauss(0, MB / 4) for n in range(count)]
    return [Bucket(60.0 * n, 60.0, 60, level, level + MB, level + 5 * MB) for n, level in enumerate(levels)]


def test_a_life_that_grows() -> None:
    found = profile_of(minutes(300, 6 * MB), 0.0, 300 * 60.0)
    assert found.hours == 5.0
    assert found.growth is not None and found.growth_low is not None and found.growth_high is not None
    assert found.growth_low <= 6 * MB <= found.growth_high
    assert 5.5 * MB < found.growth < 6.5 * MB
    assert found.baseline is not None and found.now is not None and found.after_hour is not None
    assert found.baseline < found.after_hour < found.now
    assert found.peak is not None and found.peak >= found.now
    assert (found.allocations, found.why) == (None, {"allocations": "malloc does not count its calls"})


def test_a_flat_life_may_grow_by_nothing() -> None:
    found = profile_of(minutes(300, 0.0), 0.0, 300 * 60.0)
    assert found.growth_low is not None and found.growth_high is not None
    assert found.growth_low < 0 < found.growth_high or abs(found.growth or 0) < 0.2 * MB


def test_a_young_life_says_what_is_missing() -> None:
    found = profile_of(minutes(12, 0.0), 0.0, 720.0)
    assert found.growth is None and "10 minutes" in found.why["growth"]
    assert found.after_hour is None and "younger than an hour" in found.why["after_hour"]
    nothing = profile_of([], 0.0, 60.0)
    assert nothing.baseline is None and nothing.why["baseline"] == "nothing was measured yet"


def test_what_was_before_this_life_does_not_count() -> None:
    found = profile_of(minutes(300, 6 * MB), 250 * 60.0, 300 * 60.0)
    assert found.baseline is not None and found.baseline > 120 * MB
