"""`/api/v1/viewers`."""

from __future__ import annotations

from fastapi import APIRouter

from steadycast.api.params import After, Limit, LobbyQuery, ViewerPath
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.views import Page, ViewerView
from steadycast.model import Protocol


def router(lobbies: Lobbies) -> APIRouter:
    """List, get and kick viewers."""
    api = APIRouter(prefix="/api/v1/viewers", tags=["viewers"])

    @api.get("")
    async def list_(
        lobby: LobbyQuery = None, protocol: Protocol | None = None, limit: Limit = 50, after: After = None
    ) -> Page[ViewerView]:
        """Viewers in the order they came."""
        return lobbies.list_viewers(lobby, after, limit, protocol)

    @api.get("/{viewer}")
    async def get(viewer: ViewerPath) -> ViewerView:
        """A viewer and its counters."""
        return lobbies.get_viewer(viewer)

    @api.delete("/{viewer}", status_code=204)
    async def kick(viewer: ViewerPath) -> None:
        """End a viewer. Answers when it is gone."""
        await lobbies.end_viewer(viewer, "kicked")

    return api
