"""`/api/v1/lobbies/{lobby}/memory`: what a lobby's worker held at the named points of its life, and over all of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter

from steadycast.api.params import LobbyPath
from steadycast.lobbies.checkpoints import MemoryCheckpoint
from steadycast.lobbies.lobbies import Lobbies
from steadycast.upkeep.profile import MemoryProfile, read_profile

if TYPE_CHECKING:
    from steadycast.upkeep.upkeep import Upkeep

READ_S = 5.0  # of the history


@dataclass(frozen=True, slots=True)
class LobbyMemory:
    """`checkpoints` in the order of time: the first of each name, the newest, the largest. `baseline` is the first of
    the worker of now. `profile` is null where the host does not look at itself, or saw nothing yet."""

    lobby: str
    baseline: MemoryCheckpoint | None
    largest: MemoryCheckpoint | None
    taken: int
    checkpoints: tuple[MemoryCheckpoint, ...]
    profile: MemoryProfile | None


def router(lobbies: Lobbies, upkeep: Upkeep | None) -> APIRouter:
    """The memory of one lobby."""
    api = APIRouter(prefix="/api/v1/lobbies", tags=["lobbies"])

    @api.get("/{lobby}/memory")
    async def memory(lobby: LobbyPath) -> LobbyMemory:
        """Bytes, descriptors and live objects of its worker, measured from outside at each named point, with what is
        more than at the first; and its memory over its whole life."""
        id_ = lobbies.get(lobby).id
        kept = lobbies.checkpoints(id_)
        profile = None if upkeep is None else await _profile(upkeep, f"lobby:{id_}")
        return LobbyMemory(id_, kept.baseline, kept.largest, kept.taken, kept.all(), profile)

    return api


async def _profile(upkeep: Upkeep, role: str) -> MemoryProfile | None:
    try:
        async with asyncio.timeout(READ_S):
            return await asyncio.to_thread(read_profile, upkeep.history, role, time.time())
    except TimeoutError:
        return None
