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


def test_streaming_long_enough_forgives_a_camera() -> None:
    past = Past(failures=20)
    soon = after_loss(loss(LossKind.CAMERA, STABLE_S), past, POLICY, 0, 0.5)
    late = after_loss(loss(LossKind.CAMERA, STABLE_S - 1), past, POLICY, 0, 0.5)
    assert soon.at == 0.5 and late.at == 15


@given(st.lists(st.tuples(st.floats(0, 30), DICE), min_size=1, max_size=100))
def test_a_worker_is_started_again_within_its_budget_only(steps: list[tuple[float, float]]) -> None:
    past, now = Past(), 1000.0
    starts: list[float] = []
    for pause, dice in steps:
        now += pause
        retry = after_loss(loss(LossKind.WORKER), past, POLICY, now, dice)
        recent = [at for at in starts if at > now - POLICY.window_s]
        if retry.at is None:
            assert len(recent) == POLICY.restarts and retry.why
            return
        assert len(recent) < POLICY.restarts
        assert len(recent) > 0 or retry.at == now  # the first at once
        starts.append(retry.at)
        past, now = retry.past, retry.at


def test_a_worker_that_dies_once_a_window_is_started_for_ever() -> None:
    past = Past()
    for number in range(1000):
        retry = after_loss(loss(LossKind.WORKER), past, POLICY, number * 61.0, 0.5)
        assert retry.at == number * 61.0
        past = retry.past
        assert len(past.restarts) <= POLICY.restarts


def test_no_storm_for_what_cannot_work() -> None:
    assert after_loss(loss(LossKind.FINAL), Past(), POLICY, 0, 0.5).at is None
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
