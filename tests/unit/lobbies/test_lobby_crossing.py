"""What comes and goes while the worker of a lobby is replaced leaves no seat behind, and waits for none in vain."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from steadycast.errors import DeadlineError, WorkerError
from steadycast.lobbies import crossing, legacy
from steadycast.workers.messages import CloseRendition
from tests.support.lobby_room import OFFER, OpenRoom
from tests.support.memory_encoding import MemoryEncoding
from tests.support.stand_in_workers import StandIn
from tests.unit.lobbies.test_lobby_replacing import alive, watched


async def test_who_comes_to_an_idle_track_meanwhile_leaves_no_seat_behind(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossing, "TAKEN_S", 1.0)
    encoding = MemoryEncoding(gpu=4)
    renditions = [{"name": "main"}, {"name": "small", "width": 320, "height": 180}]
    room = await open_room(encoding=encoding, renditions={"linger_s": 60})
    await room.create(key="k", renditions=renditions)
    await room.state("k", "STREAMING")
    await room.lobbies.whep_offer("k", OFFER, rendition="small")
    idle = await room.lobbies.whep_offer("k", OFFER, rendition="main")
    await room.lobbies.end_viewer(idle.viewer, "left")
    (old,) = alive(room)
    room.egress.holds_back = True
    running = asyncio.create_task(room.lobbies.recycle("k"))
    await room.until(lambda: len(encoding.seats) == 3)  # the held one, on both
    assert await room.lobbies.whep_offer("k", OFFER, rendition="main")
    assert len(alive(room)) == 2
    with pytest.raises(WorkerError):
        await running
    room.egress.holds_back = False
    await room.until(lambda: alive(room) == [old])
    feeds = next(room.lobbies._entries.lobbies()).feeds
    encoded = [feed for feed in feeds.all() if feed.encode is not None]
    await room.until(lambda: all(feed.seat for feed in encoded))
    await room.until(lambda: {feed.seat for feed in encoded} == set(encoding.seats.values()))


async def test_a_closed_track_is_not_opened_by_who_waited_for_it(open_room: OpenRoom) -> None:
    encoding = MemoryEncoding(gpu=1)
    room = await watched(open_room, encoding)
    feeds = next(room.lobbies._entries.lobbies()).feeds
    feed = feeds.get("main")
    assert feed is not None
    (egress,) = feed.egresses()
    for one in room.lobbies.list_viewers().items:
        await room.lobbies.end_viewer(one.id, "left")
    await room.until(lambda: feed.closed)
    with pytest.raises(WorkerError, match="closed"):
        await feeds._carrier.ensure(feed, egress)
    assert not encoding.seats


async def test_a_seat_that_only_the_end_of_its_worker_frees_is_not_waited_for(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy, "COMES_S", 1e6)
    monkeypatch.setattr(crossing, "RENEW_S", 1e6)
    encoding = MemoryEncoding(gpu=1)
    room = await watched(open_room, encoding, encoders={"hardware": "require", "when_full": "queue"})
    (old,) = alive(room)

    def hangs(worker: StandIn, message: Any) -> None:
        if isinstance(message, CloseRendition):
            raise DeadlineError("rendition.close", "It does not close.")

    old.script = hangs
    async with asyncio.timeout(20):
        assert (await room.lobbies.recycle("k")).new_worker != old.id
    await room.until(lambda: len(encoding.on("gpu")) == 1 and len(alive(room)) == 1)
    assert room.lobbies.get("k").viewers == 1
