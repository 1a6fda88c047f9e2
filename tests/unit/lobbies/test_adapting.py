"""The bitrate of a shared rendition follows its worst viewer: down at once, up slowly, between a floor and its own."""

from __future__ import annotations

import itertools
import random

import pytest

from steadycast.lobbies.adapting import (
    HOLD_MOST_S,
    LEAST_KBPS,
    REST_MOST_S,
    REST_S,
    Bounds,
    Tuning,
    Turned,
    bounds,
    far_worse,
    smaller,
    tune,
    turn_again,
)

HOLD_S = 5.0
OWN = Bounds(500, 2000)


def run(ways: list[float], seconds: int, state: Tuning | None = None, start: float = 0.0) -> list[Tuning | None]:
    """One look a second, and nothing changes meanwhile."""
    states = []
    for second in range(seconds):
        state = tune(OWN, state, ways, start + second, HOLD_S)
        states.append(state)
    return states


def kbps(state: Tuning | None) -> int:
    return OWN.ceiling if state is None else state.kbps


def test_a_rendition_that_all_can_take_is_left_alone() -> None:
    assert run([], 3) == [None] * 3
    assert run([9000, 2300], 3) == [None] * 3
    assert run([2150], 3) == [None] * 3, "a little too narrow is no reason"


def test_the_worst_counts_at_once_and_no_lower_than_the_floor() -> None:
    first = tune(OWN, None, [5000, 1000, 3000], 0, HOLD_S)
    assert first is not None and first.kbps == 900 and "1000 kbit/s" in str(first.why)
    lower = tune(OWN, first, [5000, 20], 1, HOLD_S)
    assert kbps(lower) == 500


def test_it_rises_by_steps_after_a_while() -> None:
    low = tune(OWN, None, [600], 0, HOLD_S)
    states = [kbps(one) for one in run([8000], 40, low, 1)]
    assert states[:5] == [540] * 5 and states[5] == 810
    assert states == sorted(states) and states[-1] == 2000
    assert len({*states}) == 5, "a step of one and a half each time"


def test_a_viewer_that_leaves_lets_it_rise() -> None:
    low = tune(OWN, None, [600], 0, HOLD_S)
    assert kbps(run([], 60, low, 1)[-1]) == 2000


def test_what_moves_a_little_changes_nothing() -> None:
    state = tune(OWN, None, [1000], 0, HOLD_S)
    dice = random.Random(3)
    for second in range(1, 200):
        state = tune(OWN, state, [1000 * dice.uniform(0.96, 1.08)], second, HOLD_S)
        assert kbps(state) == 900


def test_a_way_that_stays_narrow_is_tried_less_and_less_often() -> None:
    state, falls, before = None, [], OWN.ceiling
    for second in range(600):
        carries = 1000 if kbps(state) > 950 else 3000  # it looks wide until it is filled
        state = tune(OWN, state, [carries], second, HOLD_S)
        if kbps(state) < before:
            falls.append(second)
        before = kbps(state)
    pauses = [b - a for a, b in itertools.pairwise(falls)]
    assert pauses == sorted(pauses) and pauses[-1] >= HOLD_MOST_S > 10 > pauses[0]


def test_after_a_calm_time_nothing_is_remembered() -> None:
    low = tune(OWN, None, [600], 0, HOLD_S)
    assert run([8000], 300, low, 1)[-1] is None


def test_bounds_follow_the_rendition() -> None:
    assert bounds(4000, None, 0.25) == Bounds(1000, 4000)
    assert bounds(200, None, 0.25) == Bounds(LEAST_KBPS, 200)
    assert bounds(60, None, 0.25) == Bounds(60, 60)
    assert bounds(4000, 300, 0.25) == Bounds(300, 4000)
    never = bounds(4000, 9000, 0.25)
    assert never == Bounds(4000, 4000) and tune(never, None, [10], 0, HOLD_S) is None
    smaller = tune(Bounds(100, 400), Tuning(900, None, HOLD_S), [], 0, HOLD_S)
    assert smaller is None, "the rendition became another one"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_told_it_stays_within_its_bounds(seed: int) -> None:
    dice, state, now = random.Random(seed), None, 0.0
    for _ in range(500):
        now += dice.choice((0.0, 1.0, 1.0, 60.0))
        ways = [dice.choice((0.0, -5.0, 1e12, dice.uniform(0, 4000))) for _ in range(dice.randrange(4))]
        state = tune(OWN, state, ways, now, HOLD_S)
        assert OWN.floor <= kbps(state) <= OWN.ceiling
        assert state is None or HOLD_S <= state.hold_s <= HOLD_MOST_S


def test_who_is_far_worse_than_the_others() -> None:
    assert far_worse({}) is None and far_worse({"a": 100}) is None
    assert far_worse({"a": 2000, "b": 900}) == "b"
    assert far_worse({"a": 2000, "b": 1000}) is None
    assert far_worse({"a": 300, "b": 400, "c": 500, "d": 2000}) is None, "half of them are narrow: they are the measure"
    assert far_worse({"a": 300, "b": 2000, "c": 1500}) == "a"


def test_the_rendition_for_a_narrow_way() -> None:
    own = {"main": 2000, "middle": 800, "low": 300}
    assert smaller(own, "main", 900) == "middle"
    assert smaller(own, "main", 700) == "low" and smaller(own, "main", 50) == "low"
    assert smaller(own, "low", 50) is None and smaller({"main": 2000, "same": 2000}, "main", 50) is None


def test_who_is_turned_again_and_again_stays_longer() -> None:
    first = turn_again(None, "main", 0)
    assert first == Turned("main", 0, REST_S)
    turned, now = first, 0.0
    for _ in range(12):
        now += turned.rest_s + 20
        turned = turn_again(turned, "main", now)
    assert turned.rest_s == REST_MOST_S
    assert turn_again(turned, "main", now + 3 * REST_MOST_S).rest_s == REST_S
