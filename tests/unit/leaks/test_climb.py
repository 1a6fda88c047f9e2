"""What climbs evenly within minutes is a suspect; what breathes, starts up, fills up or follows its load is none."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from steadycast.model.series import Unit
from steadycast.tracking.leaks.climb import Climb
from steadycast.tracking.leaks.verdicts import TREND, Verdict

MB = 2.0**20
Course = Callable[[float], float]


def told(course: Course, unit: Unit, hours: float, load: float | None = None) -> list[tuple[float, Verdict]]:
    """When something was told of a series that is looked at each second, and when that was over."""
    climb, found, was = Climb(unit), [], False
    for at in range(int(hours * 3600)):
        verdict = climb.update(float(at), course(at), {} if load is None else {"viewers": load})
        holds = verdict is not None and verdict.holds
        if verdict is not None and holds != was:
            found.append((float(at), verdict))
        was = holds
    return found


@pytest.mark.parametrize(
    ("unit", "start", "each_s", "minutes"),
    [(Unit.COUNT, 10, 2.8, 2.1), (Unit.COUNT, 10, 0.2, 4.5), (Unit.COUNT, 10, 1 / 60, 55),
     (Unit.BYTES, 50 * MB, MB, 5.5), (Unit.BYTES, 50 * MB, 0.2 * MB, 8)],
)  # fmt: skip
def test_what_climbs_evenly_is_told_within_minutes(unit: Unit, start: float, each_s: float, minutes: float) -> None:
    ((at, verdict),) = told(lambda t: start + math.floor(each_s * t), unit, 2)
    assert at <= 60 * minutes
    assert verdict.tier == TREND and verdict.per_hour is not None
    assert verdict.per_hour.value == pytest.approx(3600 * each_s, rel=0.1)
    assert verdict.grown == pytest.approx(each_s * at, rel=0.1)


def walk(seed: int) -> Course:
    rolls, level = random.Random(seed), [50.0]

    def at(_: float) -> float:
        level[0] = max(5.0, level[0] + rolls.choice((-1, 0, 1)))
        return level[0]

    return at


HARMLESS: list[tuple[str, Unit, Course]] = [
    ("starts up for a minute", Unit.COUNT, lambda t: 10 + math.floor(3 * min(t, 60))),
    ("wanders", Unit.COUNT, walk(1)),
    ("wanders otherwise", Unit.COUNT, walk(2)),
    ("a saw", Unit.BYTES, lambda t: 50 * MB + (t % 200) * MB),
    ("fills up", Unit.BYTES, lambda t: 50 * MB + 500 * MB * (1 - math.exp(-t / 300))),
    ("steps", Unit.COUNT, lambda t: 10 + 40 * math.floor(min(t, 2400) / 600)),
    ("little of much", Unit.BYTES, lambda t: 4000 * MB + t * MB / 60),
    ("flat", Unit.COUNT, lambda t: 12),
]


@pytest.mark.parametrize(("unit", "course"), [one[1:] for one in HARMLESS], ids=[one[0] for one in HARMLESS])
def test_what_is_harmless_is_not_told(unit: Unit, course: Course) -> None:
    assert told(course, unit, 2) == []


def test_what_stops_is_told_once() -> None:
    opened, ended = told(lambda t: 10 + min(t, 300), Unit.COUNT, 1)
    assert opened[0] <= 130 and 300 < ended[0] <= 420
    assert not ended[1].holds


def test_where_a_load_is_known_it_says_nothing() -> None:
    assert told(lambda t: 10 + t, Unit.COUNT, 0.2, load=3.0) == []
