"""The pool against the faults that pools had: nothing lent twice, nothing kept for ever, nothing beyond its bounds."""

from __future__ import annotations

import itertools

import pytest

from steadycast.leases.pools import Bounds, Loan, LoanError, Pool, Pools, Pressure, host_pressure

Thing = list[int]  # compared by identity
NUMBERS = itertools.count()


def lent(pool: Pool[str, Thing], key: str = "a", now: float = 0.0) -> Loan[str, Thing]:
    loan = pool.take(key, "somebody", now)
    assert loan is not None
    if loan.resource is None:
        pool.made(loan, [next(NUMBERS)], now)
    return loan


def test_it_is_lent_again_and_never_to_two() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=2, idle=2))
    first, second = lent(pool), lent(pool)
    assert first.resource is not second.resource
    thing = first.resource
    assert pool.give_back(first, 1.0)
    again = lent(pool, now=2.0)
    assert again.resource is thing
    assert again.uses == 2
    assert pool.holders() == {second.number: "somebody", again.number: "somebody"}
    assert pool.statistics().reuse == pytest.approx(1 / 3), "of three who came"


def test_it_refuses_when_all_are_lent_and_makes_no_dummy() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=3, idle=3))
    loans = [lent(pool) for _ in range(3)]
    assert all(pool.take("a", "somebody", 0.0) is None for _ in range(100))
    assert (pool.statistics().lent, pool.statistics().refused) == (3, 100)
    pool.give_back(loans[0], 1.0)
    assert pool.take("a", "somebody", 1.0) is not None


def test_given_back_twice_or_to_another_or_used_afterwards_fails_at_the_call() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=2, idle=2))
    other: Pool[str, Thing] = Pool(Bounds(total=2, idle=2))
    loan, foreign = lent(pool), lent(other)
    with pytest.raises(LoanError, match="another pool"):
        pool.give_back(foreign, 1.0)
    pool.give_back(loan, 1.0)
    for call in (pool.give_back, pool.lose, pool.failed, pool.unfit):
        with pytest.raises(LoanError, match="over"):
            call(loan, 1.0)
    with pytest.raises(LoanError, match="not the holder's any more"):
        assert loan.resource
    assert pool.statistics().idle == 1
    assert lent(pool).resource is not lent(pool).resource
    assert other.statistics().lent == 1


def test_a_bound_of_one_key_does_not_refuse_another() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=3, idle=3))
    for key in "abc":
        pool.give_back(lent(pool, key), 0.0)
    assert lent(pool, "d", 1.0).resource is not None
    assert len(pool.ended()) == 1


def test_ten_thousand_sizes_leave_no_more_than_may_be_idle() -> None:
    """A pool for each frame size grew by 316 MiB in six minutes when it was replayed (neolink)."""
    pool: Pool[int, Thing] = Pool(Bounds(total=8, idle=4, keys=3))
    ended = 0
    for size in range(10_000):
        loan = pool.take(size, "camera", float(size))
        assert loan is not None
        pool.made(loan, [size], float(size))
        pool.give_back(loan, float(size))
        ended += len(pool.ended())
        told = pool.statistics()
        assert told.idle <= 3 and told.keys <= 3
    assert ended == 10_000 - told.idle
    assert pool.statistics().high_water <= 8


def test_of_idle_ones_that_goes_which_is_worth_least() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=3, idle=3))
    for now in range(10):
        pool.give_back(lent(pool, "often", float(now)), float(now))
    two = lent(pool, "twice", 10.0), lent(pool, "twice", 10.0)
    for loan in two:
        pool.give_back(loan, 10.0)
    often = lent(pool, "often", 11.0)
    assert often.uses == 11
    pool.give_back(often, 11.0)
    lent(pool, "new", 12.0)
    assert lent(pool, "often", 12.0).uses == 12
    assert pool.statistics().evicted == {"room": 1}


@pytest.mark.parametrize("bound", ["age_s", "idle_s"])
def test_what_is_old_or_unused_goes_by_itself(bound: str) -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=2, idle=2, **{bound: 10.0}))  # type: ignore[arg-type]
    thing = lent(pool)
    kept = thing.resource
    pool.give_back(thing, 4.0)
    due = 10.0 if bound == "age_s" else 14.0
    assert pool.next_change() == due
    pool.prune(due - 0.1)
    assert pool.ended() == []
    pool.prune(due)
    assert pool.ended() == [kept]
    assert pool.next_change() is None


def test_what_was_lent_often_enough_is_not_kept() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=1, idle=1, uses=2))
    assert pool.give_back(lent(pool), 0.0)
    assert not pool.give_back(lent(pool), 0.0)
    assert pool.statistics().evicted == {"worn": 1}
    assert len(pool.ended()) == 1


def test_a_pool_of_nothing_refuses_everybody() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=0, idle=0))
    assert pool.take("a", "somebody", 0.0) is None
    assert pool.wait("a", "somebody", 0.0, 9.0) is None
    assert pool.statistics().reuse is None and pool.statistics().fill is None


def test_one_thing_and_two_who_wait() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=1, idle=1, waiting=2))
    loan = lent(pool)
    first, second = pool.wait("a", "first", 0.0, 9.0), pool.wait("b", "second", 0.0, 9.0)
    assert pool.wait("a", "third", 0.0, 9.0) is None, "as many wait as may"
    assert pool.serve(1.0) == []
    pool.give_back(loan, 2.0)
    assert pool.take("a", "newcomer", 2.0) is None, "nobody overtakes those who wait"
    ((ticket, turn),) = pool.serve(2.0)
    assert ticket == first and turn is not None and turn.resource is not None
    pool.give_back(turn, 3.0)
    ((ticket, turn),) = pool.serve(3.0)
    assert ticket == second and turn is not None and turn.resource is None, "another key: it is to be made"
    assert len(pool.ended()) == 1
    assert second is not None and not pool.leave(second)


def test_who_waits_in_vain_is_told_at_the_deadline() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=1, idle=1))
    lent(pool)
    ticket, left = pool.wait("a", "late", 0.0, 5.0), pool.wait("a", "leaves", 0.0, 5.0)
    assert left is not None and pool.leave(left)
    assert pool.next_change() == 5.0
    assert pool.serve(4.9) == []
    assert pool.serve(5.0) == [(ticket, None)]
    assert (pool.statistics().expired, pool.statistics().waiting) == (1, 0)


def test_what_could_not_be_made_gives_its_place_back() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=1, idle=1))
    for _ in range(5):
        loan = pool.take("a", "somebody", 0.0)
        assert loan is not None
        pool.failed(loan, 0.0)
    assert (pool.statistics().failed, pool.statistics().lent, pool.statistics().created) == (5, 0, 0)
    assert loan is not None
    with pytest.raises(LoanError, match="over"):
        pool.made(loan, [1], 0.0)


def test_what_fails_its_check_is_ended_and_the_next_is_tried() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=3, idle=3))
    for loan in [lent(pool) for _ in range(3)]:
        pool.give_back(loan, 0.0)
    found: Loan[str, Thing] | None = lent(pool, now=1.0)
    tried = 0
    while found is not None and found.resource is not None:  # a check that says no to everything
        found, tried = pool.unfit(found, 1.0), tried + 1
    assert found is not None and tried == 3
    pool.made(found, [9], 1.0)
    assert len(pool.ended()) == 3
    assert pool.statistics().reused == 0
    with pytest.raises(LoanError, match="has a thing already"):
        pool.made(found, [10], 1.0)


def test_one_that_dies_while_it_is_kept_or_lent() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=2, idle=2))
    first, second = lent(pool), lent(pool)
    thing = first.resource
    assert thing is not None
    pool.give_back(first, 0.0)
    assert pool.lost(thing, 1.0) and not pool.lost(thing, 1.0)
    assert not pool.lost([7], 1.0)
    pool.lose(second, 1.0)  # also where its reset raised or hung
    assert pool.statistics().evicted == {"lost": 2}
    assert (pool.statistics().lent, pool.statistics().idle) == (0, 0)


def test_what_is_made_in_advance_and_leaves_for_good() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=2, idle=2))
    assert pool.take("a", "early", 0.0, make=False) is None
    assert pool.stock("a", [1], 0.0) and pool.stock("a", [2], 0.0) and not pool.stock("a", [3], 0.0)
    loan = pool.take("a", "somebody", 1.0, make=False)
    assert loan is not None and loan.resource == [2]
    loan = pool.unfit(loan, 1.0, make=False)
    assert loan is not None and loan.resource == [1]
    pool.part(loan, 1.0)
    with pytest.raises(LoanError, match="over"):
        pool.give_back(loan, 2.0)
    told = pool.statistics()
    assert (told.created, told.stocked, told.parted, told.reused, told.missed) == (2, 2, 1, 1, 1)
    assert told.reuse == 0.5
    assert pool.ended() == [[2]]


def test_under_pressure_less_is_kept_and_lent() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=8, idle=8, total_medium=4, total_high=1))
    for loan in [lent(pool) for _ in range(8)]:
        pool.give_back(loan, 0.0)
    pool.press(Pressure.MEDIUM, 1.0)
    assert (pool.statistics().idle, pool.statistics().total, len(pool.ended())) == (4, 4, 4)
    held = [lent(pool, now=1.0) for _ in range(3)]
    pool.press(Pressure.HIGH, 2.0)
    assert pool.statistics().idle == 0
    assert pool.take("a", "somebody", 2.0) is None
    assert not any(pool.give_back(loan, 3.0) for loan in held)
    pool.press(Pressure.LOW, 4.0)
    assert pool.give_back(lent(pool, now=4.0), 4.0)


@pytest.mark.parametrize(
    ("stalled", "full", "expected"),
    [
        (None, (), Pressure.LOW),
        (0.05, (0.5, None), Pressure.LOW),
        (0.1, (0.5,), Pressure.MEDIUM),
        (None, (0.2, 0.9), Pressure.MEDIUM),
        (0.5, (None,), Pressure.HIGH),
        (0.0, (0.86, 0.95), Pressure.HIGH),
    ],
)
def test_how_short_the_host_is(stalled: float | None, full: tuple[float | None, ...], expected: Pressure) -> None:
    assert host_pressure(stalled, *full) is expected


def test_a_closed_pool_lends_nothing_and_takes_back() -> None:
    pool: Pool[str, Thing] = Pool(Bounds(total=2, idle=2))
    loan, other = lent(pool), lent(pool)
    ticket = pool.wait("a", "waits", 0.0, 99.0)
    pool.give_back(other, 0.0)
    pool.close(1.0)
    assert pool.serve(1.0) == [(ticket, None)]
    assert pool.take("a", "somebody", 1.0) is None and pool.wait("a", "somebody", 1.0, 9.0) is None
    assert not pool.give_back(loan, 1.0)
    assert len(pool.ended()) == 2
    assert pool.statistics().evicted == {"closed": 2}


def test_who_does_not_end_what_goes_is_told() -> None:
    pool: Pool[int, Thing] = Pool(Bounds(total=2, idle=1))
    with pytest.raises(LoanError, match="ask `ended`"):
        for size in range(100):
            loan = pool.take(size, "somebody", 0.0)
            assert loan is not None
            pool.made(loan, [size], 0.0)
            pool.give_back(loan, 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"total": -1},
        {"idle": -1},
        {"keys": 0},
        {"uses": 0},
        {"age_s": 0.0},
        {"idle_s": float("nan")},
        {"total_high": 3},
        {"waiting": 10**9},
    ],
)
def test_bounds_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Bounds(**{"total": 2, "idle": 2, **wrong})  # type: ignore[arg-type]


def test_pools_by_name() -> None:
    pools, pool = Pools(), Pool[str, Thing](Bounds(total=1, idle=1))
    pools.add("things", pool.statistics, pool.press)
    pool.give_back(lent(pool), 0.0)
    pools.press(Pressure.HIGH, 1.0)
    assert pools.statistics()["things"].idle == 0
    with pytest.raises(ValueError, match="already"):
        pools.add("things", pool.statistics)
    for number in range(31):
        pools.add(f"more {number}", pool.statistics)
    with pytest.raises(ValueError, match="32 pools"):
        pools.add("one more", pool.statistics)
