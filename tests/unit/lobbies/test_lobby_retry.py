"""The retry policy: cameras for ever, workers within a budget, the rest not; and the table of states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.lifecycle import LEAVING, LOBBY, check_move
from steadycast.lobbies.retry import STABLE_S, Loss, LossKind, Past, RetryPolicy, after_loss
from steadycast.model import LobbyState

POLICY = RetryPolicy(camera_wait_s=(0.5, 15), restarts=5, window_s=60)
DICE = st.floats(0, 1)


def loss(kind: LossKind, streamed_s: float = 0.0) -> Loss:
    return Loss(kind, "code", "what", streamed_s=streamed_s)


@given(st.lists(DICE, min_size=1, max_size=200))
def test_a_camera_is_tried_for_ever_with_bounded_waits(dice: list[float]) -> None:
    past, now, waits = Past(), 100.0, []
    for one in dice:
        retry = after_loss(loss(LossKind.CAMERA), past, POLICY, now, one)
        assert retry.at is not None
        waits.append(retry.at - now)
        assert 0.5 * 0.74 <= waits[-1] <= 15.001
        past, now = retry.past, retry.at
    assert len(waits) < 8 or min(waits[7:]) > 10


def test_a_picture_forgives_a_camera_and_time_alone_does_not() -> None:
    past = Past(failures=20)
    assert past.on_probation and not past.proved(0).on_probation
    soon = after_loss(loss(LossKind.CAMERA), past.proved(0), POLICY, 0, 0.5)
    late = after_loss(loss(LossKind.CAMERA, 1e6), past, POLICY, 0, 0.5)
    assert soon.at == 0.5 and late.at == 15


@given(st.lists(st.tuples(st.floats(0, 30), DICE), min_size=1, max_size=100))
def test_a_worker_is_started_again_within_its_budget_only(steps: list[tuple[float, float]]) -> None:
    past, now = Past(), 1000.0
    starts: list[float] = []
    for pause, dice in steps:
        now += pause
        retry = after_loss(loss(LossKind.WORKER), past, POLICY, now, dice)
        if retry.at is None:
            assert len(starts) == POLICY.restarts and retry.why and retry.latched
            return
        assert len(starts) < POLICY.restarts and not retry.latched
        assert len(starts) > 0 or retry.at == now  # the first at once
        starts.append(retry.at)
        past, now = retry.past, retry.at


@given(st.lists(st.tuples(st.floats(0, 200), st.booleans(), DICE), min_size=1, max_size=100))
def test_the_budget_counts_the_window_and_all_since_the_last_proof(steps: list[tuple[float, bool, float]]) -> None:
    past, now, proved = Past(), 1000.0, -1.0
    starts: list[float] = []
    for pause, shows, dice in steps:
        now += pause
        if shows:
            past, proved = past.proved(now), now
            now += 1
        counted = [at for at in starts if at > proved or at > now - POLICY.window_s]
        retry = after_loss(loss(LossKind.WORKER, pause), past, POLICY, now, dice)
        assert retry.latched == (len(counted) >= POLICY.restarts)
        assert len(retry.past.restarts) <= POLICY.restarts
        if retry.at is None:
            return
        starts.append(retry.at)
        past, now = retry.past, retry.at


def test_a_worker_that_dies_once_a_window_is_started_for_ever_if_it_shows() -> None:
    past = Past()
    for number in range(1000):
        now = number * 61.0
        retry = after_loss(loss(LossKind.WORKER), past, POLICY, now, 0.5)
        assert retry.at == now
        past = retry.past.proved(now + 5)
        assert len(past.restarts) <= POLICY.restarts


def test_a_worker_that_dies_each_day_without_a_picture_latches() -> None:
    past = Past()
    for day in range(POLICY.restarts):
        past = after_loss(loss(LossKind.WORKER, 86_000), past, POLICY, day * 86_400.0, 0.5).past
    retry = after_loss(loss(LossKind.WORKER, 86_000), past, POLICY, 1e6, 0.5)
    assert retry.latched and retry.why is not None and "no picture" in retry.why


def test_a_picture_does_not_get_around_the_window() -> None:
    past, now = Past(), 0.0
    for _ in range(POLICY.restarts):
        retry = after_loss(loss(LossKind.WORKER, 4), past, POLICY, now, 0.5)
        assert retry.at is not None
        now = retry.at + 4
        past = retry.past.proved(now)
    assert after_loss(loss(LossKind.WORKER, 4), past, POLICY, now, 0.5).latched


def test_no_storm_for_what_cannot_work() -> None:
    final = after_loss(loss(LossKind.FINAL), Past(), POLICY, 0, 0.5)
    assert final.at is None and not final.latched
    assert after_loss(loss(LossKind.PROGRAM, STABLE_S - 1), Past(), POLICY, 0, 0.5).at is None
    assert after_loss(loss(LossKind.PROGRAM, STABLE_S), Past(), POLICY, 0, 0.5).at == 0
    never = RetryPolicy((1, 2), restarts=0, window_s=60)
    assert after_loss(loss(LossKind.WORKER), Past(), never, 0, 0.5).at is None


def test_every_state_leads_to_an_end_and_ends_lead_nowhere() -> None:
    for state in LobbyState:
        seen, todo = set(), [state]
        while todo:
            one = todo.pop()
            seen.add(one)
            todo += [new for new in LOBBY[one] if new not in seen]
        assert seen & {LobbyState.DESTROYED, LobbyState.CLEANUP_INCOMPLETE}
        assert all(new in LEAVING for new in LOBBY[state]) or state not in LEAVING


def test_wrong_moves_are_faults() -> None:
    check_move(LOBBY, LobbyState.DEGRADED, LobbyState.STREAMING)
    for old, new in ((LobbyState.DESTROYED, LobbyState.STARTING), (LobbyState.STREAMING, LobbyState.ENDING)):
        with pytest.raises(AssertionError):
            check_move(LOBBY, old, new)
