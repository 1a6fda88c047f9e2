"""Quotas count their holders exactly; budgets let through what they say, and no more, for any order of uses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.leases.budget import Budget
from steadycast.leases.quota import Lease, LeaseError, Quota


@given(st.integers(1, 5), st.lists(st.one_of(st.just("take"), st.integers(0, 20)), max_size=60))
def test_quota_holds_what_was_taken_and_not_given_back(limit: int, steps: list[str | int]) -> None:
    quota = Quota("things", limit)
    held: list[Lease] = []
    for number, step in enumerate(steps):
        if isinstance(step, str):
            lease = quota.take(f"holder {number}", float(number))
            assert (lease is None) == (len(held) == limit)
            held += [lease] if lease is not None else []
        elif held:
            quota.give_back(held.pop(step % len(held)))
        assert quota.statistics().held == len(held) <= limit
    assert quota.holders() == tuple(held)


def test_double_and_foreign_return_fail_at_the_call() -> None:
    quota, other = Quota("a", 2), Quota("b", 2)
    lease, foreign = quota.take("x", 0), other.take("x", 0)
    assert lease is not None and foreign is not None
    quota.give_back(lease)
    for wrong in (lease, foreign):
        with pytest.raises(LeaseError):
            quota.give_back(wrong)
    assert other.statistics().held == 1


@given(
    st.floats(0.1, 100),
    st.integers(1, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_budget_never_lets_more_through_than_rate_and_burst(rate: float, burst: int, pauses: list[float]) -> None:
    budget, now, passed = Budget(rate, burst, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        wait = budget.take(now)
        passed += wait == 0.0
        assert 0 <= wait <= 1 / rate * 1.000001
        assert passed <= burst + rate * now + 1e-6
        if wait:
            assert budget.take(now + wait * 1.000001 + 1e-9) == 0.0  # what it promised
            now, passed = now + wait * 1.000001 + 1e-9, passed + 1
