"""How long the spares wait between tries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steadycast.workers.spares import FAILURES, LONGEST_WAIT_S, wait_after


def test_the_first_try_is_at_once() -> None:
    assert wait_after(0) == 0


@given(st.integers(0, FAILURES - 2))
def test_pauses_rise_to_a_bound(failures: int) -> None:
    first, second = wait_after(failures), wait_after(failures + 1)
    assert first is not None
    assert second is not None
    assert first < second <= LONGEST_WAIT_S or first == second == LONGEST_WAIT_S


@given(st.integers(FAILURES, 10**6))
def test_tries_have_an_end(failures: int) -> None:
    assert wait_after(failures) is None
