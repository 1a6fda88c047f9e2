"""A viewer whose way is far narrower than the others' gets a smaller rendition, and its own again later."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from steadycast.errors import DeadlineError
from steadycast.lobbies import turner as turner_module
from steadycast.workers.messages import OpenRendition, RetuneRendition, TurnViewer
from tests.support.lobby_room import OFFER, OpenRoom, Room
from tests.support.memory_encoding import MemoryEncoding
from tests.support.stand_in_workers import StandIn

BOTH = [{"name": "main", "bitrate_kbps": 2000}, {"name": "low", "height": 180, "bitrate_kbps": 300}]


def takes(worker: StandIn, message: Any) -> dict[str, Any] | None:
    return {"bitrate_kbps": message.bitrate_kbps, "why": None} if isinstance(message, RetuneRendition) else None


async def watched(open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch, **tables: Any) -> Room:
    """Three viewers of main; a turn follows at once, and back as soon as the way carries it."""
    monkeypatch.setattr(turner_module, "TURN_S", 0.0)
    room = await open_room(encoding=MemoryEncoding(gpu=3), **tables)
    room.supervisor.prepare = lambda worker: setattr(worker, "script", takes)
    await room.create(key="k", renditions=BOTH)
    await room.state("k", "STREAMING")
    for _ in range(3):
        await room.lobbies.whep_offer("k", OFFER)
    await room.lobbies.adapter.close()  # a test looks by itself
    return room


def tell(room: Room, *kbps: float | None) -> None:
    viewers = room.lobbies.list_viewers().items
    told = {one.id: {"estimate_bps": k and k * 1000} for one, k in zip(viewers, kbps, strict=True)}
    room.egress.statistics = {"viewers": told}


async def look(room: Room) -> list[str]:
    """What each watches after a look."""
    adapter = room.lobbies.adapter
    adapter.look()
    await room.until(lambda: not adapter._setting and not adapter.turner._turning)
    return [one.rendition for one in room.lobbies.list_viewers().items]


async def test_it_is_turned_and_the_others_keep_theirs(open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    room = await watched(open_room, monkeypatch)
    tell(room, None, 400, 5000)
    assert await look(room) == ["main", "low", "main"]
    lobby, (turned,) = room.lobbies.get("k"), room.egress.told(TurnViewer)
    assert (turned.before, turned.after) == (f"{lobby.id}/main", f"{lobby.id}/low")
    assert not room.workers()[-1].told(RetuneRendition), "nobody else was lowered for it"
    assert [one.viewers for one in lobby.renditions] == [2, 1]
    assert "viewer.turned" in room.names(lobby.id, "viewer")
    assert room.lobbies.statistics().viewers_turned_total == {"down": 1}
    for viewer in room.lobbies.list_viewers().items:
        await room.lobbies.end_viewer(viewer.id, "over")
    await room.until(lambda: all(not one.running for one in room.lobbies.get("k").renditions))


async def test_it_is_turned_back_when_its_way_carries_more(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await watched(open_room, monkeypatch)
    tell(room, None, 400, None)
    await look(room)
    (state,) = room.lobbies.adapter.turner._turned.values()
    tell(room, None, 800, None)
    assert await look(room) == ["main", "low", "main"], "not so soon"
    turned = room.lobbies.adapter.turner._turned
    turned.update({viewer: replace(one, at=one.at - one.rest_s) for viewer, one in turned.items()})
    tell(room, None, 380, None)
    assert await look(room) == ["main", "low", "main"], "its way carries no more"
    tell(room, None, 800, None)
    assert await look(room) == ["main", "main", "main"]
    assert await look(room) == ["main", "low", "main"], "it was too much again"
    (again,) = room.lobbies.adapter.turner._turned.values()
    assert again.rest_s == 2 * state.rest_s


async def test_without_another_encoder_or_an_answer_it_stays_and_counts(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await watched(open_room, monkeypatch)

    def says_no(worker: StandIn, message: Any) -> None:
        if isinstance(message, TurnViewer):
            raise DeadlineError("viewer.not_turned", "no keyframe came")

    room.egress.script = says_no
    tell(room, None, 400, None)
    assert await look(room) == ["main"] * 3
    assert not room.workers()[-1].told(RetuneRendition)
    assert await look(room) == ["main"] * 3
    assert [one.bitrate_kbps for one in room.workers()[-1].told(RetuneRendition)] == [360], "now it counts"
    assert len(room.egress.told(TurnViewer)) == 1
    await room.until(lambda: not room.lobbies.get("k").renditions[1].running)


async def test_switched_off_nobody_is_turned(open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    room = await watched(open_room, monkeypatch, adaptation={"turn": False})
    tell(room, None, 400, None)
    assert await look(room) == ["main"] * 3
    assert len(room.workers()[-1].told(OpenRendition)) == 1


async def test_one_that_leaves_while_it_is_turned_holds_nothing(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await watched(open_room, monkeypatch)
    room.egress.turns = lambda: 50
    tell(room, None, 400, None)
    room.lobbies.adapter.look()
    await room.until(lambda: room.egress.told(TurnViewer))
    leaving = [
        asyncio.create_task(room.lobbies.end_viewer(one.id, "over")) for one in room.lobbies.list_viewers().items
    ]
    await asyncio.gather(*leaving)
    await room.until(lambda: not room.lobbies.adapter.turner._turning)
    await room.until(lambda: all(not one.running for one in room.lobbies.get("k").renditions))
    room.lobbies.adapter.look()
    turner = room.lobbies.adapter.turner
    assert not turner._turned and not turner._worse_since and not turner._rests
