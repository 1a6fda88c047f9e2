"""The event stream: what it sends, where it goes on, and that it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from steadycast.api.events import EventStream, encode
from steadycast.lobbies.events import QUEUE, SUBSCRIBERS, EventLog
from tests.support.memory_lobbies import MemoryLobbies

SOON = 20


class Listener:
    """An ASGI client of one stream; `pause` makes it read nothing more."""

    def __init__(self, stream: EventStream) -> None:
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self.reading = asyncio.Event()
        self.reading.set()
        self._gone = asyncio.Event()
        self.task = asyncio.create_task(stream({"type": "http"}, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reading.wait()
        if message["type"] == "http.response.body":
            self.chunks.put_nowait(message["body"])

    async def until(self, wanted: bytes) -> bytes:
        """Everything sent up to the chunk that holds `wanted`."""
        seen = b""
        while wanted not in seen:
            seen += await asyncio.wait_for(self.chunks.get(), SOON)
        return seen

    async def hang_up(self) -> None:
        self._gone.set()
        await asyncio.wait_for(self.task, SOON)


@contextlib.asynccontextmanager
async def listening(log: EventLog, after: int | None = None, keepalive_s: float = 15) -> AsyncIterator[Listener]:
    listener = Listener(EventStream(log, after, keepalive_s))
    await listener.until(b": listening")
    yield listener
    if not listener.task.done():
        await listener.hang_up()
    assert log.listeners == 0


async def test_events_come_as_they_happen() -> None:
    log = EventLog()
    async with listening(log) as listener:
        event = log.publish("lobby", "lobby.STREAMING", lobby="l1", why="it does\nso", data={"a": 1})
        sent = await listener.until(b"\n\n")
        assert sent == encode(event)
        assert sent.startswith(b"id: 1\nevent: lobby\ndata: {")
        assert json.loads(sent.split(b"data: ")[1])["why"] == "it does\nso"


async def test_going_on_after_the_last_one() -> None:
    log = EventLog()
    for number in range(5):
        log.publish("lobby", f"lobby.{number}")
    async with listening(log, after=3) as listener:
        sent = await listener.until(b"id: 5")
        assert b"id: 3" not in sent
        assert b"id: 4" in sent
        assert b"missed" not in sent


async def test_a_gap_is_said() -> None:
    log = EventLog()
    for _ in range(3000):
        log.publish("host", "host.tick")
    async with listening(log, after=1) as listener:
        await listener.until(b"event: missed")


async def test_a_quiet_stream_shows_that_it_lives() -> None:
    async with listening(EventLog(), keepalive_s=0.01) as listener:
        await listener.until(b": alive")


async def test_a_slow_listener_is_dropped_and_told() -> None:
    log = EventLog()
    async with listening(log) as listener:
        listener.reading.clear()
        for _ in range(QUEUE + 10):
            log.publish("host", "host.tick")
            await asyncio.sleep(0)
        listener.reading.set()
        await listener.until(b"event: dropped")
        await asyncio.wait_for(listener.task, SOON)


async def test_the_end_of_the_host_ends_the_stream() -> None:
    log = EventLog()
    async with listening(log) as listener:
        log.close()
        await asyncio.wait_for(listener.task, SOON)


async def test_a_thousand_listeners_that_hang_up_leave_nothing() -> None:
    log = EventLog()
    before = len(asyncio.all_tasks())
    for _ in range(1000):
        async with listening(log):
            pass
    assert len(asyncio.all_tasks()) == before


async def test_too_many_listeners(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(SUBSCRIBERS):
            await stack.enter_async_context(rooms.events.subscribe())
        answer = await client.get("/api/v1/events")
    assert (answer.status_code, answer.json()["code"]) == (503, "events.full")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 19, "٣"])
async def test_strange_ids(client: httpx.AsyncClient, last: str) -> None:
    answer = await client.get("/api/v1/events", headers={b"last-event-id": last.encode()})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_after_wins_over_the_header(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    for _ in range(3):
        rooms.events.publish("host", "host.tick")
    asking = asyncio.create_task(client.get("/api/v1/events?after=2", headers={"last-event-id": "0"}))
    while not rooms.events.listeners:
        await asyncio.sleep(0)
    rooms.events.close()
    answer = await asyncio.wait_for(asking, SOON)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "id: 3" in answer.text
    assert "id: 2" not in answer.text
