"""The breaker: opens on failures close together, forgives with time, rests longer each time, latches, is reset."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steadycast.leases.breaker import LONGEST_REST_S, QUIET_WINDOWS, TRYING_S, Breaker, BreakerRules, BreakerState

RULES = BreakerRules(failures=3, window_s=60, rest_s=30, trips=5)


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(RULES)
    assert [breaker.failed(now, "it hung") for _ in range(3)] == [False, False, True]
    return breaker


def test_failures_within_the_window_open_it() -> None:
    breaker = opened(10)
    status = breaker.status(10)
    assert (status.state, status.trips, status.why, status.retry_at) == (BreakerState.OPEN, 1, "it hung", 40)


def test_failures_far_apart_are_forgiven() -> None:
    breaker = Breaker(RULES)
    for number in range(100):
        assert not breaker.failed(number * 31.0, "now and then")
    status = breaker.status(99 * 31.0 + 61)
    assert (status.state, status.failures, status.why) == (BreakerState.CLOSED, 0, None)


def test_a_lost_device_opens_it_at_once() -> None:
    assert Breaker(RULES).failed(0, "Xid 79", fatal=True)


def test_a_canary_runs_after_the_rest_and_closes_it() -> None:
    breaker = opened()
    assert not breaker.may_try(29.9) and breaker.may_try(30)
    breaker.trying(29)
    assert breaker.status(29).state is BreakerState.OPEN
    breaker.trying(30)
    assert breaker.status(30).state is BreakerState.TRYING and not breaker.may_try(31)
    breaker.tried(32, True)
    assert breaker.status(32).state is BreakerState.CLOSED
    breaker.tried(33, False, "too late")
    assert breaker.status(33).state is BreakerState.CLOSED


def test_rests_double_and_the_last_opening_latches() -> None:
    breaker, now, rests = opened(), 0.0, []
    while (status := breaker.status(now)).state is BreakerState.OPEN:
        assert status.retry_at is not None
        rests.append(status.retry_at - now)
        now = status.retry_at
        breaker.trying(now)
        breaker.tried(now, False, "black frames")
    assert rests == [30, 60, 120, 240]
    latched = breaker.status(now + 1e9)
    assert (latched.state, latched.trips, latched.why, latched.retry_at) == (
        BreakerState.LATCHED, 5, "black frames", None,
    )  # fmt: skip
    assert not breaker.may_try(now + 1e9)
    breaker.reset(now)
    assert breaker.status(now).state is BreakerState.CLOSED and breaker.status(now).trips == 0


def test_a_canary_that_is_never_heard_of_counts_as_failed() -> None:
    breaker = opened()
    breaker.trying(30)
    status = breaker.status(30 + TRYING_S)
    assert (status.state, status.trips) == (BreakerState.OPEN, 2)


def test_quiet_time_forgives_openings() -> None:
    breaker = opened()
    breaker.trying(30)
    breaker.tried(30, True)
    quiet = QUIET_WINDOWS * RULES.window_s
    assert breaker.status(30 + quiet - 1).trips == 1
    assert breaker.status(30 + quiet).trips == 0


events = st.lists(
    st.tuples(st.sampled_from(["failed", "fatal", "trying", "worked", "broke", "reset", "look"]), st.floats(0, 400)),
    max_size=80,
)


@given(events, st.integers(1, 4), st.integers(1, 6))
def test_whatever_happens(steps: list[tuple[str, float]], failures: int, trips: int) -> None:
    rules = BreakerRules(failures, 60, 30, trips)
    breaker, now = Breaker(rules), 0.0
    for word, pause in steps:
        now += pause
        before = breaker.status(now)
        match word:
            case "failed" | "fatal":
                tripped = breaker.failed(now, "why", fatal=word == "fatal")
                enough = word == "fatal" or before.failures + 1 >= failures
                assert tripped == (before.state is BreakerState.CLOSED and enough)
            case "trying":
                breaker.trying(now)
            case "worked" | "broke":
                breaker.tried(now, word == "worked")
            case "reset":
                breaker.reset(now)
                assert breaker.status(now).state is BreakerState.CLOSED
        after = breaker.status(now)
        assert after == breaker.status(now)
        assert after.failures < failures and 0 <= after.trips <= trips
        assert (after.state is BreakerState.LATCHED) == (
            after.trips >= trips and after.state is not BreakerState.CLOSED
        )
        assert (after.retry_at is not None) == (after.state is BreakerState.OPEN)
        if after.retry_at is not None:
            assert breaker.may_try(max(now, after.retry_at)) and after.retry_at <= now + LONGEST_REST_S
        if before.state is BreakerState.LATCHED and word != "reset":
            assert after == before
