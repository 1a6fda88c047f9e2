"""The chaos suite's judgement of time: what a starved machine explains is excused, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.chaos.lag import STARVED_S, Lag, Pace
from tests.support.chaos.verdict import AFTER_S, Verdict

shares = st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.0, 1.0)), min_size=1, max_size=60)


def paced(*parts: tuple[float, float]) -> Pace:
    """From second 100 on: parts of seconds and shares."""
    pace, now = Pace(100.0), 100.0
    for seconds, share in parts:
        for _ in range(round(seconds * 10)):
            now += 0.1
            pace.add(now, share)
    return pace


@pytest.fixture
def lag() -> Iterator[Lag]:
    lag = Lag()
    yield lag
    lag.close()


def verdict(lag: Lag, *parts: tuple[float, float]) -> Verdict:
    lag.close()  # from now on it is told
    lag.machine, lag.loop = paced(*parts), Pace(100.0)
    return Verdict(lag)


@given(shares)
def test_weighed_time_adds_up_and_is_never_more_than_time(parts: list[tuple[float, float]]) -> None:
    pace, now, worked = Pace(0.0), 0.0, 0.0
    for seconds, share in parts:
        now += seconds
        worked += seconds * share
        pace.add(now, share)
    assert pace.worked(0.0, now) == pytest.approx(worked)
    half = now / 2
    assert -1e-9 <= pace.worked(half, now) <= half + 1e-9
    assert pace.worked(0.0, half) + pace.worked(half, now) == pytest.approx(worked)


def test_only_long_starvation_has_consequences() -> None:
    assert paced((10, 1.0), (1, 0.0), (10, 1.0)).starved == []
    pace = paced((10, 1.0), (6, 0.2), (10, 1.0))
    ((since, until),) = pace.starved
    assert since < 112 and 115 < until < 119
    assert pace.starved_until(110.0) == until and pace.starved_until(120.0) is None


def test_late_on_a_machine_with_time_is_late(lag: Lag) -> None:
    judged = verdict(lag, (60, 1.0))
    assert not judged.judge("a", 130.0, 5.0, 134.0)
    assert judged.judge("a", 130.0, 5.0, 136.0)
    assert not judged.excused
    judged.find_late("a")
    assert judged.failed


def test_late_on_a_starved_machine_is_excused_and_counted_until_it_is_late_all_the_same(lag: Lag) -> None:
    judged = verdict(lag, (20, 1.0), (10, 0.5), (60, 1.0))
    assert not judged.judge("a", 120.0, 5.0, 126.0) and len(judged.excused) == 1
    assert not judged.judge("a", 120.0, 5.0, 129.0) and len(judged.excused) == 1
    assert judged.judge("a", 120.0, 5.0, 131.0) and not judged.excused


def test_what_comes_of_long_starvation_is_excused(lag: Lag) -> None:
    judged = verdict(lag, (20, 1.0), (STARVED_S + 1, 0.1), (60, 1.0))
    since = 124.0 + STARVED_S / 2  # a worker was taken for hung, and its viewers saw nothing afterwards
    assert not judged.judge("a", since, 1.0, since + 3.0)
    assert judged.judge("b", since, 1.0, since + 3.0, after_s=0.0)
    assert judged.judge("c", since, 1.0, since + 3.0 + AFTER_S)
    assert judged.excuse("d", since) and not judged.excuse("e", since + 3.0 + AFTER_S)


def test_a_run_in_which_most_was_excused_fails_only_by_what_must_always_hold(lag: Lag) -> None:
    judged = verdict(lag, (20, 1.0), (10, 0.5), (60, 1.0))
    for name in ("a", "b"):
        judged.judge(name, 120.0, 5.0, 126.0)
    judged.find_late("c")
    assert not judged.failed and "not judged" in judged.lines()[-1] and "2 voided" in judged.lines()[-2]
    judged.find("a lobby is lost")
    assert judged.failed
