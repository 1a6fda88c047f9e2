"""Guard's decisions: bounded whatever happens, never on what is not known, latched until reset."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from steadycast.watching.guard.decide import Decision, Do, after, carried_out, decide, settle
from steadycast.watching.guard.facts import (
    Act,
    Cause,
    Ended,
    Facts,
    Health,
    Memory,
    Moment,
    Presence,
    Restart,
    Server,
    Sign,
)  # fmt: skip
from steadycast.watching.guard.policy import Policy
from steadycast.watching.guard.windows import in_window

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


def moment(clock: float) -> Moment:
    return Moment(clock, 1_700_000_000 + clock, START + timedelta(seconds=clock))


def policy(**tables: object) -> Policy:
    return Policy.model_validate({"name": "a", "target": {"command": ["a"]}, **tables})


RUNNING = Server(Presence.RUNNING, since=0.0)
WELL = Health("web", Act.RESTART, True, 0, 3, True)
ILL = replace(WELL, ok=False, failures=3, text="it refused")
LEAK = Sign(Cause.FINDING, Act.QUIET, "f1", "descriptors grow", "f1")
PLAIN = policy(
    budget={"restarts": 3, "window_s": 600, "backoff_s": (1, 60), "settled_s": 100},
    quiet={"begin": "03:00", "end": "05:00", "watching": {"port": 80}},
    start={"ready_s": 30},
)
BEGAN = Memory(began=True)

healths = st.builds(
    Health,
    name=st.just("web"),
    act=st.sampled_from([Act.RESTART, Act.TELL]),
    ok=st.sampled_from([True, False, None]),
    failures=st.integers(0, 5),
    allowed=st.integers(1, 3),
    was_good=st.booleans(),
)
signs = st.builds(
    Sign,
    cause=st.sampled_from([Cause.FINDING, Cause.SIGNATURE, Cause.EXHAUSTION]),
    act=st.sampled_from(Act),
    key=st.just("k"),
    text=st.just("it said so"),
)
servers = st.builds(
    Server,
    presence=st.sampled_from([one for one in Presence if one is not Presence.STUCK]),
    since=st.one_of(st.none(), st.just(0.0)),
    adopted=st.booleans(),
    ended=st.one_of(st.none(), st.builds(Ended, clock=st.just(0.0), code=st.sampled_from([None, 0, 1]))),
)
facts = st.builds(
    Facts,
    server=servers,
    health=st.lists(healths, max_size=2).map(tuple),
    signs=st.lists(signs, max_size=2).map(tuple),
    watching=st.one_of(st.none(), st.integers(0, 2)),
    nobody_s=st.one_of(st.none(), st.just(1.0)),
)
steps = st.lists(st.tuples(facts, st.floats(0.01, 200)), max_size=40)


def walk(walked: list[tuple[Facts, float]]) -> list[tuple[float, Facts, Memory, Decision]]:
    """Facts in a row, each so many seconds after the one before, every decision carried out."""
    memory, clock = Memory(), 0.0
    seen = []
    for one, wait in walked:
        clock += wait
        since = None if one.server.since is None else max(0.0, clock - 50)
        ended = None if one.server.ended is None else replace(one.server.ended, clock=clock - 5)
        one = replace(one, server=replace(one.server, since=since, ended=ended))
        memory = settle(one, PLAIN, memory, moment(clock))
        decision = decide(one, PLAIN, memory, moment(clock))
        seen.append((clock, one, memory, decision))
        memory = after(decision, memory, moment(clock))
    return seen


@settings(max_examples=40)
@given(steps)
def test_restarts_in_any_window_stay_within_the_budget(walked: list[tuple[Facts, float]]) -> None:
    acts = [
        c for c, _, _, d in walk(walked) if d.do in (Do.START, Do.RESTART) and d.reason and d.reason.cause != "first"
    ]
    for clock in acts:
        assert sum(clock <= other < clock + PLAIN.budget.window_s for other in acts) <= PLAIN.budget.restarts


@settings(max_examples=40)
@given(steps)
def test_nothing_is_done_without_a_reason_that_is_known(walked: list[tuple[Facts, float]]) -> None:
    for clock, one, memory, decision in walk(walked):
        if decision.do not in (Do.START, Do.RESTART):
            continue
        assert decision.reason is not None and decision.why
        assert one.server.presence not in (Presence.UNKNOWN, Presence.AWAY)
        failed = any(h.ok is False and h.failures >= h.allowed and h.act is Act.RESTART for h in one.health)
        signed = any(sign.act is not Act.TELL for sign in one.signs)
        if decision.do is Do.RESTART:
            assert one.server.presence is Presence.RUNNING and (failed or signed)
        if decision.reason.cause is Cause.FIRST:
            assert not memory.began
        if decision.reason.act is Act.QUIET:
            assert one.watching == 0 and in_window(PLAIN.quiet, moment(clock).local)  # type: ignore[arg-type]


@settings(max_examples=40)
@given(steps)
def test_latched_means_latched(walked: list[tuple[Facts, float]]) -> None:
    decisions = [decision.do for _, _, _, decision in walk(walked)]
    if Do.LATCH in decisions:
        assert set(decisions[decisions.index(Do.LATCH) + 1 :]) <= {Do.NOTHING}


@given(facts, st.sampled_from([None, "a person"]))
def test_paused_means_that_only_a_person_acts(one: Facts, asked: str | None) -> None:
    decision = decide(replace(one, asked=asked), PLAIN, Memory(began=True, paused=True), moment(1000))
    assert decision.do is Do.NOTHING or asked is not None


def test_a_probe_that_cannot_tell_restarts_nothing() -> None:
    unknown = replace(ILL, ok=None)
    assert decide(Facts(RUNNING, (unknown,)), PLAIN, BEGAN, moment(1000)).do is Do.NOTHING
    assert decide(Facts(RUNNING, (ILL,)), PLAIN, BEGAN, moment(1000)).do is Do.RESTART


def test_a_server_gets_time_to_become_well_once() -> None:
    fresh = replace(ILL, was_good=False)
    assert decide(Facts(RUNNING, (fresh,)), PLAIN, BEGAN, moment(29)).do is Do.NOTHING
    late = decide(Facts(RUNNING, (fresh,)), PLAIN, BEGAN, moment(31))
    assert late.do is Do.RESTART and late.reason is not None and late.reason.cause is Cause.NEVER_HEALTHY
    adopted = Facts(replace(RUNNING, adopted=True), (fresh,))
    assert decide(adopted, PLAIN, BEGAN, moment(1)).do is Do.RESTART


def test_a_server_that_dies_at_once_is_tried_again_with_growing_waits_and_then_latched() -> None:
    memory, clock, waits = BEGAN, 0.0, []
    for _ in range(3):
        ended = Facts(Server(Presence.ENDED, ended=Ended(clock, code=1)))
        waiting = decide(ended, PLAIN, memory, moment(clock))
        assert waiting.do is Do.WAIT and waiting.until is not None
        waits.append(waiting.until - clock)
        clock = waiting.until
        started = decide(ended, PLAIN, memory, moment(clock))
        assert started.do is Do.START
        memory = after(started, memory, moment(clock))
    assert waits == [1, 2, 4]
    ended = Facts(Server(Presence.ENDED, ended=Ended(clock, code=1)))
    latched = decide(ended, PLAIN, memory, moment(clock + 60))
    assert latched.do is Do.LATCH and "3 restarts within 600 s did not help" in latched.why


def test_the_wait_counts_from_when_a_restart_was_done_and_not_from_when_it_was_decided() -> None:
    decided = Memory(True, (Restart(1000, 0, Cause.HEALTH, "ill"),))
    done = carried_out(decided, 1090)  # its end took half a minute, its start a whole one
    assert carried_out(done, 2000) == done
    ill = Facts(Server(Presence.RUNNING, since=1090.0), (ILL,))
    waiting = decide(ill, PLAIN, done, moment(1091))
    assert waiting.do is Do.WAIT and waiting.until == 1092
    assert decide(ill, PLAIN, decided, moment(1091)).do is Do.RESTART  # as if it had been done at once


def test_restarts_that_never_help_latch_however_slow_they_are() -> None:
    restarts = tuple(Restart(clock, 0, Cause.HEALTH, "ill") for clock in (1000, 3000, 5000))
    decision = decide(Facts(RUNNING, (ILL,)), PLAIN, Memory(True, restarts), moment(9000))
    assert decision.do is Do.LATCH and "3 restarts in a row" in decision.why
    settled = Memory(True, restarts, settled=5500)
    assert decide(Facts(RUNNING, (ILL,)), PLAIN, settled, moment(9000)).do is Do.RESTART


def test_quiet_is_waited_for_and_exhaustion_does_not_wait() -> None:
    night = Moment(1000, 0, START.replace(hour=4))
    day = replace(night, local=START)
    assert decide(Facts(RUNNING, signs=(LEAK,), watching=0), PLAIN, BEGAN, day).do is Do.WAIT
    assert decide(Facts(RUNNING, signs=(LEAK,), watching=1), PLAIN, BEGAN, night).do is Do.WAIT
    unknown = decide(Facts(RUNNING, signs=(LEAK,), watching=None), PLAIN, BEGAN, night)
    assert unknown.do is Do.WAIT and "cannot be told" in unknown.why
    assert decide(Facts(RUNNING, signs=(LEAK,), watching=0), PLAIN, BEGAN, night).do is Do.RESTART
    near = replace(LEAK, cause=Cause.EXHAUSTION, act=Act.RESTART)
    assert decide(Facts(RUNNING, signs=(LEAK, near), watching=5), PLAIN, BEGAN, day).do is Do.RESTART


def test_an_age_has_jitter_of_its_own_life() -> None:
    old = policy(age={"max_s": 10_000, "jitter": 0.1, "act": "restart"})
    facts_of = [Facts(Server(Presence.RUNNING, since=float(since))) for since in range(0, 200, 10)]
    at = [
        next(c for c in range(9000, 12_000, 50) if decide(f, old, BEGAN, moment(c)).do is Do.RESTART) for f in facts_of
    ]
    assert len(set(at)) > 5


def test_what_a_person_asks_for_is_done_and_not_counted() -> None:
    restarts = tuple(Restart(float(clock), 0, Cause.ASKED, "a person") for clock in range(10))
    asked = Facts(RUNNING, asked="a person")
    assert decide(asked, PLAIN, Memory(True, restarts), moment(20)).do is Do.RESTART
    assert decide(Facts(RUNNING, (ILL,)), PLAIN, Memory(True, restarts), moment(20)).do is Do.RESTART


def test_a_window_over_midnight_belongs_to_the_day_it_began_on() -> None:
    quiet = policy(quiet={"begin": "23:00", "end": "02:00", "days": ("mon",)}).quiet
    assert quiet is not None
    assert in_window(quiet, datetime(2026, 3, 2, 23, 30))
    assert in_window(quiet, datetime(2026, 3, 3, 1, 59))
    assert not in_window(quiet, datetime(2026, 3, 3, 2, 0))
    assert not in_window(quiet, datetime(2026, 3, 2, 1, 0))
    assert not in_window(quiet, datetime(2026, 3, 3, 23, 30))


def test_what_leaks_is_let_run_for_a_while_unless_a_limit_is_near() -> None:
    rested = policy(findings={"act": "restart", "rest_s": 3600})
    leak = replace(LEAK, act=Act.RESTART)
    early = decide(Facts(RUNNING, signs=(leak,)), rested, BEGAN, moment(600))
    assert early.do is Do.NOTHING and "finding f1: in 3000 s, no limit is near" in early.trail
    assert decide(Facts(RUNNING, signs=(leak,)), rested, BEGAN, moment(3600)).do is Do.RESTART
    near = replace(leak, cause=Cause.EXHAUSTION)
    assert decide(Facts(RUNNING, signs=(near,)), rested, BEGAN, moment(600)).do is Do.RESTART
