"""Deadlines in own time: pure, and on a loop whose clock jumps."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.patience import LATE, OwnTime, Patience, patience, wait_patiently
from tests.support.jumping_loop import JumpingLoop, running


@given(st.lists(st.floats(0, 1000), max_size=60), st.floats(0.01, 5))
def test_own_time_and_lost_time_are_all_the_time(gaps: list[float], step: float) -> None:
    time, now, lost = OwnTime(100.0, step), 100.0, 0.0
    for gap in gaps:
        now += gap
        before = time.spent
        lost += time.look(now)
        assert time.spent - before <= LATE * step + 1e-9
    assert time.spent + lost == pytest.approx(now - 100.0)


@given(st.lists(st.floats(0.001, 1000), min_size=400, max_size=400), st.floats(0.01, 100))
def test_every_wait_ends(gaps: list[float], seconds: float) -> None:
    """However late the looks come: after twice the steps at most."""
    left, now, looks = Patience(seconds, 0.0), 0.0, 0
    for gap in gaps:
        now += max(gap, left.pause())
        looks += 1
        if left.over(now):
            break
    assert looks <= 2 * (seconds / left.step + 2)
    assert now >= seconds - 1e-9


@given(st.floats(0.1, 60), st.floats(0, 0.99), st.floats(3, 100_000))
def test_a_stop_gives_the_whole_time_again(seconds: float, part: float, stop: float) -> None:
    left, now = Patience(seconds, 0.0), 0.0
    while now + left.step < seconds * part:
        now += left.step
        assert not left.over(now)
    now += left.step * stop
    assert not left.over(now)
    woke = now
    while not left.over(now := now + left.pause()):
        assert now - woke <= seconds + 1e-6
    assert now - woke >= seconds - 1e-6


def test_a_stop_ends_no_wait_and_the_answer_that_came_meanwhile_counts() -> None:
    async def one() -> str:
        loop = running()
        answer: asyncio.Future[str] = loop.create_future()
        loop.call_soon(loop.jump, 3600.0)
        loop.call_later(3600.05, answer.set_result, "late but here")
        async with patience(0.2):
            return await answer

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        assert runner.run(one()) == "late but here"


async def test_it_ends_as_a_timeout_does() -> None:
    with pytest.raises(TimeoutError):
        async with patience(0.05):
            await asyncio.Event().wait()
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await wait_patiently({never}, 0.05)
    assert not never.done()


async def test_it_is_silent_where_the_work_is_done_and_passes_errors_on() -> None:
    async with patience(20):
        await asyncio.sleep(0)
    with pytest.raises(ValueError, match="mine"):
        async with patience(20):
            raise ValueError("mine")
    task = asyncio.current_task()
    assert task is not None and not task.cancelling()
