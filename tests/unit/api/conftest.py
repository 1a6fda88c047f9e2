"""The HTTP side over lobbies in memory, asked without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from steadycast.api.app import create_app
from steadycast.config.settings import Settings
from tests.support.memory_lobbies import MemoryLobbies

URL = "http://127.0.0.1:8800"


@pytest.fixture
async def rooms() -> MemoryLobbies:
    return MemoryLobbies()


@pytest.fixture
async def client(rooms: MemoryLobbies) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(rooms, Settings()))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as asked:
        yield asked
