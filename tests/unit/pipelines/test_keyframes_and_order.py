"""How often keyframes are asked for, and whether frames come in the order they are shown."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from steadycast.pipelines.keyframes import FRESH_S, INTERVAL_S, KeyframeGate, is_fresh
from steadycast.pipelines.order import FRAMES, FrameOrder


def test_the_first_request_goes_at_once_the_next_waits() -> None:
    gate = KeyframeGate()
    assert gate.ask(10.0) == 0
    gate.take(10.0)
    wait = gate.ask(10.1)
    assert wait is not None
    assert abs(wait - (INTERVAL_S - 0.1)) < 1e-9
    assert gate.ask(10.2) is None  # put together with the one that waits
    gate.take(10.5)
    assert gate.ask(99.0) == 0


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_requests_are_bounded_and_none_is_lost(times: list[float]) -> None:
    gate = KeyframeGate()
    sent: list[float] = []
    due: float | None = None
    for now in sorted(times):
        if due is not None and due <= now:
            gate.take(due)
            sent.append(due)
            due = None
        wait = gate.ask(now)
        if wait is not None:
            due = now + wait
        assert due is not None, "a request was neither sent nor waits"
        assert due - now <= INTERVAL_S + 1e-9
    assert all(later - earlier >= INTERVAL_S - 1e-9 for earlier, later in itertools.pairwise(sent))


def test_a_young_keyframe_is_good_enough() -> None:
    assert is_fresh(10.0, 10.0 + FRESH_S / 2)
    assert not is_fresh(10.0, 10.0 + FRESH_S)
    assert not is_fresh(None, 10.0)


def test_frames_in_order_are_believed_after_a_while() -> None:
    order = FrameOrder()
    for number in range(FRAMES):
        assert order.reorders is None
        order.see(number * 40)
    assert order.reorders is False


@given(st.lists(st.none() | st.integers(0, 10**12), max_size=60))
def test_a_step_back_is_what_reordering_means(shown: list[int | None]) -> None:
    order = FrameOrder()
    for at in shown:
        order.see(at)
    looked_at = [at for at in shown if at is not None]
    first_back = next((i for i in range(1, len(looked_at)) if looked_at[i] < looked_at[i - 1]), None)
    if first_back is not None and first_back < FRAMES:
        assert order.reorders is True
    elif len(looked_at) >= FRAMES:
        assert order.reorders is False
    else:
        assert order.reorders is None
