"""Quotas with amounts and the ledger: all or nothing, exact, never negative, and misuse fails at the call."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.leases.ledger import Ledger, Reservation
from steadycast.leases.quota import Lease, LeaseError, Quota

steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(1, 8)),
        st.tuples(st.just("back"), st.integers(0, 20)),
        st.tuples(st.just("resize"), st.one_of(st.none(), st.integers(0, 20))),
        st.tuples(st.just("occupy"), st.integers(0, 20)),
    ),
    max_size=60,
)


@given(steps)
def test_a_quota_gives_what_is_free_and_no_more(steps: list[tuple[str, int | None]]) -> None:
    quota, held = Quota("things", 10), list[Lease]()
    limit, others, unlimited = 10.0, 0.0, False
    for word, number in steps:
        lent = sum(lease.amount for lease in held)
        if word == "take":
            lease = quota.take("x", 0.0, float(number or 1))
            assert (lease is not None) == (unlimited or lent + others + (number or 1) <= limit)
            held += [lease] if lease is not None else []
        elif word == "back" and held:
            quota.give_back(held.pop((number or 0) % len(held)))
        elif word == "resize":
            quota.resize(number)
            unlimited, limit = number is None, float(number or 0)
        elif word == "occupy":
            quota.occupy(float(number or 0))
            others = float(number or 0)
        lent = sum(lease.amount for lease in held)
        assert quota.lent == lent == quota.statistics().lent
        assert quota.free == (None if unlimited else max(0.0, limit - others - lent))


def test_a_shrunk_quota_gives_nothing_until_it_fits() -> None:
    quota = Quota("sessions:geforce", 3)
    leases = [quota.take(f"h{number}", 0) for number in range(3)]
    quota.resize(1)
    assert quota.free == 0 and quota.lent == 3
    for lease in leases[:2]:
        assert lease is not None and quota.take("late", 1) is None
        quota.give_back(lease)
    assert quota.take("late", 1) is None  # one is lent, one is all there is
    quota.resize(2)
    assert quota.take("late", 1) is not None


@pytest.mark.parametrize("amount", [0.0, -1.0, float("nan"), float("inf")])
def test_amounts_that_are_none_fail(amount: float) -> None:
    quota = Quota("vram:0", None)
    with pytest.raises(LeaseError):
        quota.take("x", 0, amount)
    if amount:
        with pytest.raises(ValueError):
            quota.resize(amount)
        with pytest.raises(ValueError):
            quota.occupy(amount)


wants = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.integers(1, 4), min_size=1)


@given(st.lists(st.one_of(wants, st.integers(0, 20)), max_size=40))
def test_reservations_are_all_or_nothing(moves: list[dict[str, int] | int]) -> None:
    ledger, held = Ledger(), list[Reservation]()
    limits = {"a": 5.0, "b": 7.0, "c": 3.0}  # d has no limit
    for name, limit in limits.items():
        ledger.quota(name).resize(limit)
    for move in moves:
        before = {name: ledger.quota(name).lent for name in "abcd"}
        if isinstance(move, dict):
            fits = all(before[name] + move[name] <= limits.get(name, 1e9) for name in move)
            reservation = ledger.reserve("h", {name: float(amount) for name, amount in move.items()}, 1.0)
            assert (reservation is not None) == fits
            if reservation is None:
                assert before == {name: ledger.quota(name).lent for name in "abcd"}
            else:
                assert {name: lease.amount for name, lease in reservation.parts.items()} == move
                held.append(reservation)
        elif held:
            ledger.give_back(held.pop(move % len(held)))
        for name in "abcd":
            assert ledger.quota(name).lent == sum(r.parts[name].amount for r in held if name in r.parts)
    assert sorted(r.number for r in held) == [r.number for r in ledger.reservations()]
    numbers = ledger.statistics()
    assert numbers.reservations == len(held) == numbers.reserved_total - numbers.returned_total


def test_double_and_foreign_returns_fail_at_the_call() -> None:
    ledger, other = Ledger(), Ledger()
    mine, foreign = ledger.reserve("x", {"cpu": 1.0}, 0), other.reserve("x", {"cpu": 1.0}, 0)
    assert mine is not None and foreign is not None
    ledger.give_back(mine)
    for wrong in (mine, foreign):
        with pytest.raises(LeaseError):
            ledger.give_back(wrong)
    assert other.quota("cpu").lent == 1 and ledger.quota("cpu").lent == 0


def test_a_bad_amount_leaves_nothing_behind() -> None:
    ledger = Ledger()
    with pytest.raises(LeaseError):
        ledger.reserve("x", {"a": 1.0, "b": -1.0}, 0)
    assert ledger.quota("a").lent == 0 and not ledger.reservations()
    with pytest.raises(LeaseError):
        ledger.reserve("x", {}, 0)


def test_names_are_bounded() -> None:
    ledger = Ledger(most_quotas=2)
    ledger.quota("a"), ledger.quota("b"), ledger.quota("a")
    with pytest.raises(LeaseError):
        ledger.quota("c")
    with pytest.raises(LeaseError):
        ledger.reserve("x", {"a": 1.0, "c": 1.0}, 0)
    assert ledger.quota("a").lent == 0


def test_a_lease_with_the_number_of_another_is_foreign() -> None:
    quota = Quota("a", 2)
    assert quota.take("x", 0) is not None
    with pytest.raises(LeaseError):
        quota.give_back(Lease(1, "x", 0))
