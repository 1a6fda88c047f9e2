"""Counts that lose a piece a cycle are named within a few cycles; counts that only breathe, fill up or step never."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadycast.model.series import Measured, Resource
from steadycast.tracking.leaks.counts import CountPolicy, Counts, count_policy
from steadycast.tracking.leaks.verdicts import Verdict

PAGE = CountPolicy().page


def judge(values: Iterable[float], counts: Counts | None = None) -> list[Verdict | None]:
    """One reading a finished session."""
    counts = counts or Counts()
    return [counts.update(60.0 * n, value, {"session": n}, {}, True) for n, value in enumerate(values, 1)]


def named(verdicts: list[Verdict | None]) -> int | None:
    """The cycle at which it was first named."""
    return next((n for n, one in enumerate(verdicts, 1) if one is not None and one.holds), None)


def paged(verdicts: list[Verdict | None]) -> int | None:
    return next((n for n, one in enumerate(verdicts, 1) if one is not None and one.holds and one.chance <= PAGE), None)


def within(cycle: int | None, most: int) -> bool:
    return cycle is not None and cycle <= most


def test_one_descriptor_a_session_is_named_within_ten_and_pages_beyond_any_pool() -> None:
    found = judge(range(20, 170))
    assert within(named(found), 10)
    assert paged(found) == 130
    last = found[-1]
    assert last is not None and last.per_cycle is not None
    assert last.cycle == "session"
    assert last.per_cycle.value == pytest.approx(1.0)
    assert last.per_cycle.low > 0.9


@pytest.mark.parametrize("pieces", [1, 2, 3, 4])
@pytest.mark.parametrize("bound", [64, 100, 128])
def test_a_pool_that_takes_as_many_each_cycle_is_named_and_never_pages(bound: int, pieces: int) -> None:
    found = judge(20 + min(bound, pieces * max(0, n - 9)) for n in range(250))
    assert within(named(found), 20)
    assert paged(found) is None
    assert found[-1] is None


def test_fourteen_descriptors_a_pipeline_are_named_within_three() -> None:
    found = judge(range(20, 20 + 14 * 8, 14))
    assert within(named(found), 3)
    assert within(paged(found), 5)


@given(st.integers(1, 40), st.integers(5, 200))
def test_a_true_loss_is_named_within_ten_cycles_whatever_its_size(size: int, base: int) -> None:
    assert within(named(judge(base + size * n for n in range(10))), 10)


@pytest.mark.parametrize("pieces", [1, 2])
def test_one_lost_every_ten_cycles(pieces: int) -> None:
    found = judge(20 + pieces * (n // 10) for n in range(80))
    assert within(named(found), 41)  # the fourth loss
    assert within(paged(found), 61)


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_one_lost_in_ten_at_random_pages_sooner_where_nobody_keeps_such_things(seed: int) -> None:
    rolls, held, values = random.Random(seed), 0, []
    for _ in range(600):
        held += rolls.random() < 0.1
        values.append(held)
    zombies, descriptors = (
        paged(judge(values, Counts(count_policy(Measured(one))))) for one in (Resource.ZOMBIES, Resource.DESCRIPTORS)
    )
    assert within(zombies, 250)
    assert descriptors is None or values[descriptors - 1] > 32


def test_a_loss_that_begins_late_is_named_as_soon() -> None:
    found = judge([20] * 500 + list(range(20, 40)))
    assert within(named(found), 510)
    one = found[-1]
    assert one is not None
    assert one.since == pytest.approx(60.0 * 501)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 2), min_size=100, max_size=250), st.integers(0, 100))
def test_a_pool_that_breathes_by_two_is_never_named(noise: list[int], base: int) -> None:
    assert named(judge(base + one for one in noise)) is None


@settings(max_examples=40)
@given(st.integers(1, 8), st.lists(st.booleans(), min_size=100, max_size=200))
def test_a_pool_that_fills_up_never_pages(bound: int, grows: list[bool]) -> None:
    values, held = [], 10
    for more in grows:
        held = min(10 + bound, held + more)
        values.append(held)
    assert paged(judge(values)) is None


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 60)), max_size=4))
def test_some_steps_never_page(steps: list[tuple[int, int]]) -> None:
    values = [20 + sum(size for at, size in steps if n >= at) for n in range(500)]
    assert paged(judge(values)) is None


def test_a_suspect_that_stops_is_told_once() -> None:
    found = judge([*range(20, 27), *([27] * 60)])
    ended = [one for one in found if one is not None and not one.holds]
    assert named(found) is not None
    assert len(ended) == 1


def test_a_loss_that_is_given_back_is_told_once() -> None:
    found = judge([*range(20, 40), *([20] * 10)])
    ended = [n for n, one in enumerate(found, 1) if one is not None and not one.holds]
    assert ended == [21]
    assert found[-1] is None


def test_what_goes_with_active_sessions_is_no_loss() -> None:
    counts = Counts()
    load = [n % 7 for n in range(300)]
    found = [
        counts.update(60.0 * n, 20 + 5 * active, {"session": n + 1}, {"sessions": active}, True)
        for n, active in enumerate(load)
    ]
    assert not any(found)


def test_a_loss_under_changing_load_is_named() -> None:
    counts = Counts()
    found = [
        counts.update(60.0 * n, 20 + 5 * (n * 3 % 7) + n, {"session": n + 1}, {"sessions": n * 3 % 7}, True)
        for n in range(60)
    ]
    assert within(named(found), 40)


def test_new_highs_that_more_activity_explains_are_no_loss() -> None:
    counts = Counts()
    found = [counts.update(60.0 * n, 20.0 + n, {"session": n + 1}, {}, True, peak=float(n)) for n in range(40)]
    assert not any(found)


def test_it_goes_with_the_kind_that_takes_a_piece() -> None:
    counts = Counts()
    found = None
    for n in range(1, 40):
        renditions = n // 2
        ended = {"viewer": 3 * n, "rendition": renditions}
        found = counts.update(60.0 * n, 20.0 + 14 * renditions, ended, {}, True)
    assert found is not None
    assert found.cycle == "rendition"
    assert found.per_cycle is not None
    assert found.per_cycle.value == pytest.approx(14, rel=0.1)


def test_unquiet_looks_and_looks_without_an_end_are_not_readings() -> None:
    counts = Counts()
    assert not any(counts.update(float(n), float(n), {"session": n}, {}, False) for n in range(1, 50))
    assert not any(counts.update(float(n), float(n), {"session": 3}, {}, True) for n in range(50, 99))
    assert not any(counts.update(float(n), float(n), {}, {}, True) for n in range(99, 150))


@given(st.lists(st.integers(0, 30), min_size=20, max_size=60), st.integers(1, 19))
def test_it_goes_on_from_a_saved_state(values: list[int], cut: int) -> None:
    straight = judge(values)
    counts = Counts()
    for n, value in enumerate(values[:cut], 1):
        counts.update(60.0 * n, value, {"session": n}, {}, True)
    again = Counts()
    again.restore(json.loads(json.dumps(counts.state())))
    rest = [again.update(60.0 * n, v, {"session": n}, {}, True) for n, v in enumerate(values[cut:], cut + 1)]
    assert rest == straight[cut:]
