"""A viewer that is over its budget for too long must go; time in which nobody looked does not count against it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steadycast.egress.core.budget import STEP_S, Budget

LIMIT, STALLED_S = 1000, 10.0


def test_a_stop_of_this_process_ends_no_viewer() -> None:
    budget = Budget(LIMIT, STALLED_S)
    assert budget.over(LIMIT + 1, 0.0) and budget.over(LIMIT + 1, 1.0)
    assert budget.over(LIMIT + 1, 1000.0)
    assert not budget.stalled
    for second in range(1001, 1007):
        assert budget.over(LIMIT + 1, float(second)) and not budget.stalled
    assert budget.over(LIMIT + 1, 1007.0) and budget.stalled


def test_a_break_begins_it_anew() -> None:
    budget = Budget(LIMIT, STALLED_S)
    for second in range(9):
        assert budget.over(LIMIT + 1, float(second))
    assert not budget.over(LIMIT, 9.0) and not budget.stalled
    for second in range(10, 20):
        assert budget.over(LIMIT + 1, float(second)) and not budget.stalled
    assert budget.over(LIMIT + 1, 20.0) and budget.stalled


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=60))
def test_it_is_never_sooner_than_said_and_never_without_end(looks: list[tuple[bool, float]]) -> None:
    budget, now, since = Budget(LIMIT, STALLED_S), 0.0, None
    seen = 0
    for over, pause in looks:
        now += pause
        assert budget.over(LIMIT + over, now) is over
        since = (now if since is None else since) if over else None
        seen = seen + 1 if over else 0
        if budget.stalled:
            assert since is not None and now - since >= STALLED_S - 1e-6
    for _ in range(int(STALLED_S / STEP_S) + 2):
        now += STEP_S
        budget.over(LIMIT + 1, now)
    assert budget.stalled
