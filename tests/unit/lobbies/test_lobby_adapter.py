"""The bitrates of shared renditions follow what egress workers tell of their viewers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from steadycast.config.lobby_change import LobbyChange
from steadycast.lobbies import adapter as adapter_module
from steadycast.lobbies.lobby import Lobby
from steadycast.model import EncoderFault, Rendition
from steadycast.workers.messages import CloseRendition, OpenRendition, RenditionFailed, RetuneRendition
from tests.support.lobby_room import OFFER, OpenRoom, Room
from tests.support.memory_encoding import MemoryEncoding
from tests.support.stand_in_workers import StandIn

MAIN = {"name": "main", "bitrate_kbps": 2000}


def takes(worker: StandIn, message: Any) -> dict[str, Any] | None:
    """What is asked is in force."""
    if isinstance(message, RetuneRendition):
        return {"bitrate_kbps": message.bitrate_kbps or message.rendition.bitrate_kbps, "why": None}
    return None


async def watched(
    open_room: OpenRoom,
    viewers: int = 2,
    rendition: dict[str, Any] = MAIN,
    gpu: int = 2,
    hardware: str = "prefer",
    **tables: Any,
) -> Room:
    room = await open_room(encoding=MemoryEncoding(gpu=gpu), **tables)
    room.supervisor.prepare = lambda worker: setattr(worker, "script", takes)
    await room.create(key="k", renditions=[rendition], encoders={"hardware": hardware})
    await room.state("k", "STREAMING")
    for _ in range(viewers):
        await room.lobbies.whep_offer("k", OFFER)
    await room.lobbies.adapter.close()  # a test looks by itself
    return room


def tell(room: Room, *kbps: float | None) -> None:
    """The next sign of life of the egress worker, a figure for each viewer."""
    viewers = room.lobbies.list_viewers().items
    told = {one.id: {"estimate_bps": k and k * 1000} for one, k in zip(viewers, kbps, strict=True)}
    room.egress.statistics = {"viewers": told}


async def look(room: Room) -> list[int | None]:
    """The bitrates that the lobby worker was told of since the last look."""
    worker = room.workers()[-1]
    before = len(worker.told(RetuneRendition))
    room.lobbies.adapter.look()
    await room.until(lambda: not room.lobbies.adapter._setting)
    return [one.bitrate_kbps for one in worker.told(RetuneRendition)[before:]]


def lobby_of(room: Room) -> Lobby:
    (lobby,) = room.lobbies._entries.lobbies()
    return lobby


async def test_the_worst_viewer_counts_and_it_is_seen(open_room: OpenRoom) -> None:
    room = await watched(open_room, adaptation={"hold_s": 0.001})
    tell(room, None, None)
    assert await look(room) == []
    assert room.lobbies.get("k").renditions[0].bitrate is None
    tell(room, None, 1000)
    assert await look(room) == [900]
    shown = room.lobbies.get("k").renditions[0].bitrate
    assert shown is not None and (shown.asked, shown.in_force) == (900, 900) and "1000 kbit/s" in str(shown.why)
    assert room.lobbies.statistics().renditions_limited == 1
    tell(room, 10, 1000)
    assert await look(room) == [300], "the floor"
    tell(room, None, 9000)
    rises: list[int | None] = []
    async with asyncio.timeout(30):
        while None not in rises:
            rises += await look(room)
            await asyncio.sleep(0.001)
    assert rises == [450, 670, 1000, 1500, None]
    statistics = room.lobbies.statistics()
    assert statistics.bitrate_changes_total == {"down": 2, "up": 5} and statistics.renditions_limited == 0
    assert room.names(room.lobbies.get("k").id, "rendition").count("rendition.bitrate") == 7


async def test_switched_off_nothing_is_lowered(open_room: OpenRoom) -> None:
    room = await watched(open_room, adaptation={"enabled": False})
    tell(room, 300, 300)
    assert await look(room) == []


async def test_a_rendition_may_keep_its_bitrate(open_room: OpenRoom) -> None:
    room = await watched(open_room, rendition={**MAIN, "bitrate_min_kbps": 2000})
    tell(room, 300, 300)
    assert await look(room) == []
    least = LobbyChange(renditions=(Rendition("main", bitrate_kbps=2000, bitrate_min_kbps=600),))
    assert (await room.lobbies.change("k", least)).done == ("main changed in place: 2000 kbit/s",)
    assert await look(room) == [600]


async def test_another_encoder_gets_the_bitrate_of_now(open_room: OpenRoom) -> None:
    room = await watched(open_room)
    tell(room, 1000, None)
    assert await look(room) == [900]
    worker, feed = room.workers()[-1], lobby_of(room).feeds.get("main")
    assert feed is not None and feed.instance is not None
    old = feed.instance
    worker.say(RenditionFailed(old.name, EncoderFault.FAILED, "it failed"))
    await room.until(lambda: feed.instance not in (None, old))
    assert await look(room) == [900]


async def test_an_encoder_that_takes_none_is_replaced_make_before_break(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await watched(open_room)
    worker = room.workers()[-1]
    worker.script = lambda worker, message: None
    tell(room, 1000, None)
    assert await look(room) == [900]
    opened = worker.told(OpenRendition)
    assert [one.rendition.bitrate_kbps for one in opened] == [2000, 900]
    assert worker.asked.index(opened[1]) < worker.asked.index(worker.told(CloseRendition)[0])
    shown = room.lobbies.get("k").renditions[0].bitrate
    assert shown is not None and (shown.asked, shown.in_force) == (900, None) and "takes none" in str(shown.fixed)
    tell(room, 600, None)
    assert await look(room) == [] and len(worker.told(OpenRendition)) == 2, "not so soon again"
    monkeypatch.setattr(adapter_module, "REMAKE_S", 0.0)
    assert await look(room) == []
    assert [one.rendition.bitrate_kbps for one in worker.told(OpenRendition)] == [2000, 900, 540]
    tell(room, 680, None)
    await look(room)
    assert len(worker.told(OpenRendition)) == 3, "not for so little"
    assert [one.viewers for one in room.lobbies.get("k").renditions] == [2]


async def test_without_another_place_it_stays_as_it_is(open_room: OpenRoom) -> None:
    room = await watched(open_room, gpu=1, hardware="require")
    worker = room.workers()[-1]
    worker.script = lambda worker, message: None
    tell(room, 1000, None)
    assert await look(room) == [900]
    assert len(worker.told(OpenRendition)) == 1
    shown = room.lobbies.get("k").renditions[0].bitrate
    assert shown is not None and shown.asked is None and "takes none" in str(shown.fixed)
    assert room.lobbies.statistics().renditions_limited == 0


@pytest.mark.parametrize("told", ["x", float("nan"), float("inf"), -1e9, [], True])
async def test_nonsense_of_a_worker_hurts_nothing(open_room: OpenRoom, told: Any) -> None:
    room = await watched(open_room, viewers=1)
    (viewer,) = room.lobbies.list_viewers().items
    room.egress.statistics = {"viewers": {viewer.id: {"estimate_bps": told}}}
    assert all(kbps is None or 300 <= kbps <= 2000 for kbps in await look(room))
