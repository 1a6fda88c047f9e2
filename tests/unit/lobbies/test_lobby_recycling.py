"""Which workers are due: limits with a jitter of their own, one at a time in a place, and rests after failures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadycast.config.settings import RecycleSettings
from steadycast.lobbies.recycling import (
    FAILURES,
    FIRST_REST_S,
    LONG_REST_S,
    SPACE_S,
    Due,
    Recycling,
    Suggestion,
    WorkerFacts,
    part,
    reason,
)
from steadycast.model import RecycleCause, WorkerKind

PLAIN = RecycleSettings(age_s=1000, egress_age_s=2000, uses=100, memory_bytes=1 << 30, descriptors=500, jitter=0.1)


def lobby(name: str = "w", **changes: Any) -> WorkerFacts:
    facts = WorkerFacts(name, WorkerKind.LOBBY, f"lobby of {name}", 10.0, 1, 1 << 20, 20)
    return replace(facts, **changes)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, None),
        ({"age_s": 1000.0}, RecycleCause.AGE),
        ({"uses": 100}, RecycleCause.USES),
        ({"memory": 1 << 30}, RecycleCause.MEMORY),
        ({"descriptors": 500}, RecycleCause.DESCRIPTORS),
        ({"uses": None, "memory": None, "descriptors": None}, None),
        ({"age_s": 899.0, "uses": 89, "descriptors": 449}, None),
        ({"memory": 1 << 31, "age_s": 1e6}, RecycleCause.MEMORY),
        ({"suggestion": Suggestion(RecycleCause.FINDING, "it copies"), "memory": 1 << 31}, RecycleCause.FINDING),
    ],
)
def test_each_limit_is_a_cause(changes: dict[str, Any], cause: RecycleCause | None) -> None:
    found = reason(lobby(**changes), PLAIN)
    assert (None if found is None else found[0]) is cause


def test_egress_workers_have_limits_of_their_own() -> None:
    egress = WorkerFacts("e", WorkerKind.EGRESS, "e", 1500.0, None, 1 << 20, 100_000)
    assert reason(egress, PLAIN) is None, "its descriptors are its viewers"
    aged = reason(replace(egress, age_s=2000.0), PLAIN)
    assert aged is not None and aged[0] is RecycleCause.AGE


def test_none_is_never_and_residue_can_be_turned_off() -> None:
    never = RecycleSettings(age_s=None, uses=None, memory_bytes=None, descriptors=None, residue=False)
    huge = lobby(age_s=1e9, uses=10**6, memory=1 << 60, descriptors=10**6)
    assert reason(huge, never) is None
    dirty = replace(huge, suggestion=Suggestion(RecycleCause.RESIDUE, "a socket stayed"))
    assert reason(dirty, never) is None
    found = reason(dirty, never.model_copy(update={"residue": True}))
    assert found is not None and found[0] is RecycleCause.RESIDUE


@given(st.text(min_size=1, max_size=40))
def test_the_jitter_of_a_worker_never_changes(name: str) -> None:
    assert 0.0 <= part(name) <= 1.0 and part(name) == part(name)


def test_not_all_go_at_once() -> None:
    """Workers that began together are due spread over the jitter's part of the limit."""
    ages = [1000 * (1 - 0.1 * part(f"lobby-{number}")) for number in range(200)]
    assert max(ages) - min(ages) > 80
    early, late = sorted(ages)[20], sorted(ages)[180]
    assert late - early > 50


def test_one_at_a_time_in_a_place() -> None:
    policy = Recycling()
    workers = [
        lobby("a", age_s=5000.0, devices=frozenset({"gpu0"})),
        lobby("b", age_s=4000.0, devices=frozenset({"gpu0", "gpu1"})),
        lobby("c", age_s=3000.0),
        lobby("d", age_s=2000.0),
        lobby("e", age_s=6000.0, busy="the lobby does not stream"),
        WorkerFacts("f", WorkerKind.EGRESS, "f", 9000.0),
    ]
    first = policy.due(workers, PLAIN, 0.0)
    assert {due.worker for due in first} == {"a", "c", "f"}
    for due in first:
        policy.begun(due)
    assert policy.due(workers, PLAIN, 1.0) == ()
    policy.ended(next(due for due in first if due.worker == "a"), True, 10.0)
    rest = [one for one in workers if one.worker != "a"]
    assert policy.due(rest, PLAIN, 10.0 + SPACE_S / 2) == ()
    (second,) = policy.due(rest, PLAIN, 10.0 + SPACE_S)
    assert second.worker == "b" and second.cause is RecycleCause.AGE and "its age" in second.why


def test_a_person_waits_on_a_gpu_and_nothing_begins_beside() -> None:
    policy, gpu, both = Recycling(), frozenset({"gpu0"}), frozenset({"gpu0", "gpu1"})
    assert policy.ask("a", gpu) and not policy.ask("b", both)
    assert policy.ask("c", frozenset({"software"})) and policy.ask("d", frozenset({"software"})), "no GPU is shared"
    due = [lobby("b", age_s=5000.0, devices=both), lobby("e", age_s=5000.0)]
    assert policy.due(due, PLAIN, 0.0) == ()
    for worker in "acd":
        policy.left(worker, 10.0)
    assert policy.due(due, PLAIN, 10.0 + SPACE_S / 2) == (), "who waits goes first"
    begun = policy.due(due, PLAIN, 10.0 + SPACE_S)
    assert {one.worker for one in begun} == {"b", "e"}
    for one in begun:
        policy.begun(one)
    assert not policy.ask("f", gpu) and policy.ask("f", frozenset({"gpu2"}))
    policy.ended(begun[0], True, 20.0)
    assert policy.ask("g", gpu)


def test_failures_rest_longer_each_time_and_then_an_hour() -> None:
    policy, now, waits = Recycling(), 0.0, []
    for _ in range(FAILURES + 1):
        (due,) = policy.due([lobby(age_s=5000.0)], PLAIN, now)
        policy.begun(due)
        policy.ended(due, False, now)
        began = now
        while not policy.due([lobby(age_s=5000.0)], PLAIN, now):
            now += 1.0
        waits.append(now - began)
    assert waits == [FIRST_REST_S, FIRST_REST_S * 2, LONG_REST_S, LONG_REST_S]
    (due,) = policy.due([lobby(age_s=5000.0)], PLAIN, now)
    policy.begun(due)
    policy.ended(due, True, now)
    assert policy.due([lobby(age_s=5000.0)], PLAIN, now + SPACE_S), "a success forgives"


FACTS = st.builds(
    lobby,
    st.sampled_from([f"w{number}" for number in range(12)]),
    age_s=st.floats(0, 3000),
    uses=st.none() | st.integers(0, 200),
    memory=st.none() | st.integers(0, 1 << 31),
    devices=st.frozensets(st.sampled_from(["gpu0", "gpu1"])),
    busy=st.none() | st.just("no"),
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.lists(FACTS, max_size=12, unique_by=lambda one: one.worker), st.booleans()), max_size=30))
def test_whatever_comes_places_are_never_shared(history: list[tuple[list[WorkerFacts], bool]]) -> None:
    policy, now, running = Recycling(), 0.0, list[Due]()
    for facts, worked in history:
        for due in policy.due(facts, PLAIN, now):
            known = next(one for one in facts if one.worker == due.worker)
            assert known.busy is None and reason(known, PLAIN) is not None
            assert not policy.rests(due.subject, now)
            policy.begun(due)
            running.append(due)
        places = [place for due in running for place in due.places]
        assert len(places) == len(set(places))
        now += 3.0
        if running:
            policy.ended(running.pop(0), worked, now)
    while running:
        policy.ended(running.pop(), True, now)
    assert not policy.under_way
