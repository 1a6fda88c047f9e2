"""The line: order by priority and waiting, nobody starves, positions, deadlines, the bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steadycast.leases.line import AGING_PER_S, Entry, Line

OVERTAKES_S = 100 / AGING_PER_S
joins = st.lists(st.tuples(st.floats(0, 20), st.integers(0, 100)), max_size=40)


def filled(people: list[tuple[float, int]]) -> Line:
    line = Line(1000)
    for number, (since, priority) in enumerate(people):
        line.join(f"h{number}", since, priority, None)
    return line


@given(joins)
def test_positions_are_the_order_and_nobody_waits_behind_a_late_newcomer(people: list[tuple[float, int]]) -> None:
    line = filled(people)
    order = line.order()
    assert [line.position(entry.holder) for entry in order] == list(range(1, len(people) + 1))
    for number, entry in enumerate(order):
        for behind in order[number + 1 :]:
            assert entry.since <= behind.since + OVERTAKES_S + 1e-6  # who passed came within 5 s after
            if entry.priority == behind.priority:
                assert (entry.since, entry.number) < (behind.since, behind.number)
            if entry.since == behind.since:
                assert entry.priority >= behind.priority


@given(joins, st.floats(0, 20), st.integers(0, 100))
def test_ahead_is_the_place_that_a_newcomer_gets(people: list[tuple[float, int]], since: float, priority: int) -> None:
    line = filled(people)
    ahead = line.ahead(since, priority)
    line.join("newcomer", since, priority, None)
    assert line.position("newcomer") == ahead + 1


@given(joins, st.lists(st.integers(0, 39), max_size=40))
def test_leaving_keeps_the_order_of_the_others(people: list[tuple[float, int]], leavers: list[int]) -> None:
    line = filled(people)
    order = [entry.holder for entry in line.order()]
    for number in leavers:
        entry = line.leave(f"h{number}")
        assert (entry is not None) == (f"h{number}" in order)
        order = [holder for holder in order if holder != f"h{number}"]
        assert [entry.holder for entry in line.order()] == order and len(line) == len(order)


def test_priority_0_passes_a_newcomer_of_100_after_five_seconds() -> None:
    line = Line(10)
    line.join("poor", 0.0, 0, None)
    line.join("early", OVERTAKES_S - 0.1, 100, None)
    line.join("late", OVERTAKES_S + 0.1, 100, None)
    assert [entry.holder for entry in line.order()] == ["early", "poor", "late"]


def test_a_full_line_refuses_newcomers_only() -> None:
    line = Line(2)
    first = line.join("a", 0, 50, None)
    assert first is not None and line.join("b", 1, 50, None) is not None and line.full
    assert line.join("c", 2, 50, None) is None
    assert line.join("a", 9, 50, None) is first  # waits already
    assert line.leave("a") is first and line.join("c", 2, 50, None) is not None
    statistics = line.statistics()
    assert (statistics.waiting, statistics.limit, statistics.joined_total, statistics.refused_total) == (2, 2, 3, 1)


def test_a_line_of_no_places() -> None:
    assert Line(0).join("a", 0, 50, None) is None


def test_who_comes_back_from_a_refusal_stands_where_it_stood() -> None:
    line = filled([(1.0, 50), (2.0, 50), (3.0, 50)])
    line.leave("h1")
    assert line.join("h1", 2.0, 50, None) is not None and line.position("h1") == 2


@given(st.lists(st.none() | st.floats(0, 20), max_size=30), st.floats(0, 20))
def test_deadlines(deadlines: list[float | None], now: float) -> None:
    line = Line(100)
    for number, deadline in enumerate(deadlines):
        line.join(f"h{number}", float(number), 50, deadline)
    known = [deadline for deadline in deadlines if deadline is not None]
    assert line.next_deadline() == min(known, default=None)
    late: tuple[Entry, ...] = line.late(now)
    assert {entry.holder for entry in late} == {
        f"h{number}" for number, deadline in enumerate(deadlines) if deadline is not None and deadline <= now
    }
    assert [line.position(entry.holder) for entry in late] == sorted(line.position(entry.holder) or 0 for entry in late)
    for entry in late:
        line.leave(entry.holder)
    assert len(line) + len(late) == len(deadlines) and line.late(now) == ()
