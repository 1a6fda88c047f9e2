"""`/api/v1/receipts`."""

from __future__ import annotations

from fastapi import APIRouter

from steadycast.api.params import After, Limit, LobbyQuery
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.views import Page
from steadycast.model import Receipt


def router(lobbies: Lobbies) -> APIRouter:
    """What was measured after workers ended."""
    api = APIRouter(prefix="/api/v1/receipts", tags=["receipts"])

    @api.get("")
    async def list_(limit: Limit = 50, after: After = None, lobby: LobbyQuery = None) -> Page[Receipt]:
        """Receipts, newest first. `lobby` is an id: the lobby may be gone."""
        return await lobbies.receipts(after, limit, lobby)

    return api
