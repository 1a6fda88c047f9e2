"""Looks without cycles: a growth with time makes a suspect, is probed, and pages only by what is proven of it."""

from __future__ import annotations

import random

import pytest

from steadycast.model.findings import FindingChange, FindingState, ProbeOutcome, Shape
from steadycast.model.series import Bound
from tests.support.looks import PRIVATE, Watched

MB = 1024.0**2
OPENED, CONFIRMED = FindingChange.OPENED, FindingChange.CONFIRMED


def grow(watched: Watched, hours: float, rate: float, start: float = 300 * MB, *, until_wanted: bool = False) -> float:
    """Looks once in five minutes, until it is confirmed (or a probe is wanted); `rate` in bytes an hour. Answers with
    the level at last."""
    rolls, level = random.Random(1), start
    for _ in range(int(hours * 12)):
        level += rate / 12
        watched.look({PRIVATE: level + rolls.gauss(0, MB)}, {})
        if CONFIRMED in watched.changes() or (until_wanted and watched.detection.probes_wanted()):
            break
    return level


def test_a_growth_with_time_is_a_suspect_that_a_probe_confirms_within_the_hour() -> None:
    watched = Watched(minute=300.0)
    level = grow(watched, 24, 12 * MB, until_wanted=True)
    assert watched.changes() == [OPENED]
    (found,) = watched.detection.findings()
    assert found.shape is Shape.TIME
    assert "of private memory an hour" in found.headline
    assert found.per_hour is not None
    assert found.per_hour.value == pytest.approx(12 * MB, rel=0.3)
    (wanted,) = watched.detection.probes_wanted()
    watched.detection.probed(wanted.finding, ProbeOutcome(1.0, 3.0, ("trimmed",), True, "nothing was given back"))
    grow(watched, 1, 12 * MB, level)
    assert watched.changes() == [OPENED, CONFIRMED]
    assert any("confirmed by a probe" in line for line in watched.detection.findings()[0].evidence)


def test_where_nobody_can_probe_only_long_time_confirms() -> None:
    watched = Watched(minute=300.0)
    grow(watched, 96, 12 * MB)
    assert watched.changes()[-1] is CONFIRMED
    assert watched.changes().count(OPENED) <= 4  # it was closed as not decided, and told again when there was more
    found = watched.detection.findings()[0]
    assert found.grown is not None and found.grown > 300 * MB  # more than there was before
    assert any("as foretold for twice as long" in line for line in found.evidence)


def test_a_growth_that_stops_is_closed() -> None:
    watched = Watched(minute=300.0)
    level = grow(watched, 24, 12 * MB)
    grow(watched, 24, 0.0, level)
    assert CONFIRMED not in watched.changes()
    assert watched.detection.findings()[-1].state is FindingState.CLOSED


def test_a_limit_within_the_day_confirms_whatever_the_tier() -> None:
    watched = Watched(minute=300.0, bounds=(Bound("memory.max", PRIVATE, 800 * MB, 300 * MB),))
    level = 300 * MB
    rolls = random.Random(2)
    for _ in range(24 * 12):
        level += 1.5 * MB
        watched.bounds = (Bound("memory.max", PRIVATE, 800 * MB, level),)
        watched.look({PRIVATE: level + rolls.gauss(0, MB)}, {})
        if CONFIRMED in watched.changes():
            break
    assert CONFIRMED in watched.changes()
    found = watched.detection.findings()[0]
    assert found.exhaustion is not None
    assert found.exhaustion.seconds < 86400
