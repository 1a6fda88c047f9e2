"""Openings of encoders that follow each other, where a driver bears only one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from steadycast.lobbies.encoders.roster import Roster


class Alone:
    """By the pool of a device."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._locks: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def opening(self, device: str) -> AsyncIterator[None]:
        """Around the opening of an encoder there."""
        known = self._roster.get(device)
        if known is None or not known.device.opens_alone:
            yield
            return
        pools = {known.device.pool for known in self._roster}
        self._locks = {pool: lock for pool, lock in self._locks.items() if pool in pools or lock.locked()}
        async with self._locks.setdefault(known.device.pool, asyncio.Lock()):
            yield
