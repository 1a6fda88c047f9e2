"""Requests of lobbies change one after the other, and a delete wins over a change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from steadycast.config.lobby_change import LobbyChange
from steadycast.errors import DeadlineError, SteadycastError
from steadycast.lobbies.store import StoredLobby
from steadycast.model import Rendition, TestSource
from steadycast.workers.messages import OpenRendition, RetuneRendition, ShowSource
from tests.support.lobby_room import OFFER, OpenRoom, Room
from tests.support.memory_encoding import MemoryEncoding
from tests.support.stand_in_workers import StandIn


async def test_a_lobby_that_is_deleted_while_it_changes_stays_deleted(room: Room) -> None:
    await room.create(key="k")
    await room.state("k", "STREAMING")
    room.supervisor.prepare = _shows_nothing
    changing = asyncio.create_task(room.lobbies.change("k", LobbyChange(source=TestSource(width=320, height=180))))
    await room.until(lambda: len([one for one in room.workers() if one.told(ShowSource)]) == 2)
    await room.lobbies.delete("k")
    with pytest.raises(SteadycastError):
        await changing
    assert await room.store.lobbies() == ()


async def test_changes_at_the_same_moment_add_up(room: Room) -> None:
    await room.create(key="k")
    await room.state("k", "STREAMING")
    source = TestSource(width=320, height=180)
    await asyncio.gather(
        room.lobbies.change("k", LobbyChange(name="other")),
        room.lobbies.change("k", LobbyChange(source=source)),
    )
    (stored,) = await room.store.lobbies()
    assert '"other"' in stored.request and "320" in stored.request
    assert room.lobbies.get("k").name == "other"


async def test_lobbies_above_a_lowered_limit_come_back(open_room: OpenRoom) -> None:
    request = '{"name":"x","source":{"kind":"test"}}'
    stored = [StoredLobby(f"{number:08x}", None, number, request) for number in range(3)]
    room = await open_room(stored=stored, limits={"lobbies": 1})
    assert len(room.lobbies.list().items) == 3
    with pytest.raises(SteadycastError):
        await room.create()


def _takes(worker: StandIn, message: Any) -> dict[str, Any] | None:
    if isinstance(message, RetuneRendition):
        return {"bitrate_kbps": message.rendition.bitrate_kbps, "why": None}
    return None


async def test_a_bitrate_changes_in_place_and_all_else_anew(open_room: OpenRoom) -> None:
    encoding = MemoryEncoding(gpu=2)
    room = await open_room(encoding=encoding)
    await room.create(key="k", renditions=[{"name": "main", "bitrate_kbps": 300}])
    await room.state("k", "STREAMING")
    await room.lobbies.whep_offer("k", OFFER)
    (worker,) = room.workers()
    worker.script = _takes
    (seat,) = encoding.seats
    main = Rendition("main", bitrate_kbps=400)
    changed = await room.lobbies.change("k", LobbyChange(renditions=(main,)))
    assert changed.done == ("main changed in place: 400 kbit/s",)
    assert worker.told(RetuneRendition) == [RetuneRendition("main.1", main)]
    assert list(encoding.seats) == [seat] and len(worker.told(OpenRendition)) == 1
    smaller = Rendition("main", bitrate_kbps=400, height=360)
    changed = await room.lobbies.change("k", LobbyChange(renditions=(smaller,)))
    assert changed.done == ("main opened anew",)
    assert len(worker.told(RetuneRendition)) == 1 and len(worker.told(OpenRendition)) == 2


async def test_a_worker_that_does_not_take_it_leaves_all_as_it_was(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=2))
    await room.create(key="k", renditions=[{"name": "main", "bitrate_kbps": 300}])
    await room.state("k", "STREAMING")
    await room.lobbies.whep_offer("k", OFFER)
    (worker,) = room.workers()

    def hangs(worker: StandIn, message: Any) -> None:
        if isinstance(message, RetuneRendition):
            raise DeadlineError("worker.no_answer", "it does not answer")

    worker.script = hangs
    with pytest.raises(DeadlineError):
        await room.lobbies.change("k", LobbyChange(renditions=(Rendition("main", bitrate_kbps=400),)))
    (stored,) = await room.store.lobbies()
    assert "300" in stored.request and "400" not in stored.request
    await room.until(lambda: len(room.workers()) == 2)


def _shows_nothing(worker: StandIn) -> None:
    def script(worker: StandIn, message: Any) -> dict[str, Any] | None:
        return {} if isinstance(message, ShowSource) else None

    worker.script = script
