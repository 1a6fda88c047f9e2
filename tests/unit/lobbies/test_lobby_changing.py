"""Requests of lobbies change one after the other, and a delete wins over a change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from steadycast.config.lobby_change import LobbyChange
from steadycast.errors import SteadycastError
from steadycast.lobbies.store import StoredLobby
from steadycast.model import TestSource
from steadycast.workers.messages import ShowSource
from tests.support.lobby_room import OpenRoom, Room
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


def _shows_nothing(worker: StandIn) -> None:
    def script(worker: StandIn, message: Any) -> dict[str, Any] | None:
        return {} if isinstance(message, ShowSource) else None

    worker.script = script
