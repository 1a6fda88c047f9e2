"""Events: in order, resumable by id, and a slow listener hurts only itself."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.errors import RefusedError
from steadycast.lobbies.events import QUEUE, RING, SUBSCRIBERS, EventLog, first_id
from steadycast.lobbies.views import Event


async def read(subscription: object, count: int) -> list[Event]:
    found: list[Event] = []
    async with asyncio.timeout(20):
        async for event in subscription:  # type: ignore[attr-defined]
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_listeners_get_what_comes_after_them() -> None:
    log = EventLog(clock=lambda: 5.0)
    log.publish("host", "before")
    async with log.subscribe() as all_new, log.subscribe(after=0) as everything:
        log.publish("lobby", "after", lobby="l", why="w", data={"a": 1})
        assert [e.name for e in await read(everything, 2)] == ["before", "after"]
        (event,) = await read(all_new, 1)
    assert (event.id, event.at, event.lobby, event.why, event.data) == (2, 5.0, "l", "w", {"a": 1})
    assert log.listeners == 0


@given(st.integers(0, RING + 100), st.integers(-5, RING + 200))
def test_resuming_misses_nothing_or_says_so(count: int, after: int) -> None:
    async def check() -> None:
        log = EventLog()
        for number in range(count):
            log.publish("host", str(number))
        async with log.subscribe(after) as subscription:
            log.close()
            got = [event.id async for event in subscription]
        start = after if 0 <= after <= count else 0
        assert got == list(range(count - len(got) + 1, count + 1))
        assert subscription.missed == (len(got) < count - start)

    asyncio.run(check())


async def test_a_listener_of_the_run_before_hears_all_of_this_one() -> None:
    """It had seen few events, so that ids which began at 1 again would have passed for those that it knows."""
    former, present = EventLog(first=first_id(1000.0)), EventLog(first=first_id(1000.5))
    last = [former.publish("host", str(number)).id for number in range(3)][-1]
    for number in range(9):
        present.publish("host", str(number))
    assert (former.total, present.total) == (3, 9)
    async with present.subscribe(last) as subscription:
        present.close()
        names = [event.name async for event in subscription]
    assert names == [str(number) for number in range(9)] and not subscription.missed


async def test_a_slow_listener_is_dropped_and_the_others_go_on() -> None:
    log = EventLog()
    slow, fast = log.subscribe(), log.subscribe()
    for number in range(QUEUE + 1):
        log.publish("host", str(number))
        if number % 100 == 0:
            await read(fast, 1)
    assert slow.dropped and [event async for event in slow] == []
    assert not fast.dropped and log.listeners == 1 and log.dropped_total == 1


async def test_listeners_are_bounded_and_end_with_the_log() -> None:
    log = EventLog()
    listeners = [log.subscribe() for _ in range(SUBSCRIBERS)]
    with pytest.raises(RefusedError):
        log.subscribe()
    waiting = asyncio.create_task(read(listeners[0], 1))
    await asyncio.sleep(0)
    log.close()
    assert await asyncio.wait_for(waiting, 20) == []
