"""Lobbies rooms on stand-in workers, closed at the end of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from steadycast.lobbies.store import StoredLobby
from tests.support.lobby_room import OpenRoom, Room, build
from tests.support.memory_encoding import MemoryEncoding


@pytest.fixture
async def open_room(tmp_path: Path) -> AsyncIterator[OpenRoom]:
    """Makes rooms; tables of the settings are arguments."""
    closers: list[Callable[[], Awaitable[None]]] = []

    async def make(
        max_bytes: int = 1 << 24,
        stored: Sequence[StoredLobby] = (),
        lobbies: Sequence[Any] = (),
        encoding: MemoryEncoding | None = None,
        **tables: Any,
    ) -> Room:
        path = tmp_path / f"{len(closers)}.db"
        more = {"lobbies": lobbies} if lobbies else {}
        room, close = await build(path, max_bytes, tables | more, stored, encoding)
        closers.append(close)
        return room

    yield make
    for close in closers:
        await close()


@pytest.fixture
async def room(open_room: OpenRoom) -> Room:
    return await open_room()
