"""`/api/v1/lobbies`."""

from __future__ import annotations

from fastapi import APIRouter, Response

from steadycast.api.params import After, Limit, LobbyPath
from steadycast.config.lobby_change import LobbyChange
from steadycast.config.settings import LobbySettings
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.views import Changed, Deleted, LobbyView, Page, Recycled


def router(lobbies: Lobbies) -> APIRouter:
    """Create, list, get, restart, recycle and delete lobbies."""
    api = APIRouter(prefix="/api/v1/lobbies", tags=["lobbies"])

    @api.post("", status_code=201, responses={200: {"model": LobbyView, "description": "The key exists already."}})
    async def create(request: LobbySettings, response: Response) -> LobbyView:
        """Make a lobby and start it: 201 at once, in state STARTING. 200 with the same lobby where the key exists."""
        view, created = await lobbies.create(request)
        response.status_code = 201 if created else 200
        response.headers["Location"] = f"/api/v1/lobbies/{view.id}"
        return view

    @api.get("")
    async def list_(limit: Limit = 50, after: After = None) -> Page[LobbyView]:
        """Lobbies in the order they were created."""
        return lobbies.list(after, limit)

    @api.get("/{lobby}")
    async def get(lobby: LobbyPath) -> LobbyView:
        """A lobby by its id or key, with its state and why."""
        return lobbies.get(lobby)

    @api.patch("/{lobby}")
    async def change(lobby: LobbyPath, change: LobbyChange) -> Changed:
        """Change name, source, renditions or encoders of a lobby: what is named replaces what was, the key stays.
        Answers when it is so, with what was done; an error says why all is as it was. Viewers stay wherever what they
        watch is still there."""
        return await lobbies.change(lobby, change)

    @api.delete("/{lobby}", responses={202: {"model": Deleted, "description": "Gone, but not stored yet."}})
    async def delete(lobby: LobbyPath, response: Response) -> Deleted:
        """End a lobby, whatever the disk does. Answers after everything of it is gone, with the receipts of its
        workers; 202 with `stored: false` and a note where the store could not be changed yet."""
        deleted = await lobbies.delete(lobby)
        response.status_code = 200 if deleted.stored else 202
        return deleted

    _add_verbs(api, lobbies)
    return api


def _add_verbs(api: APIRouter, lobbies: Lobbies) -> None:
    @api.post("/{lobby}/restart")
    async def restart(lobby: LobbyPath) -> LobbyView:
        """Try a lobby again now that is down, and forgive what was. Answers when it shows, or it is clear again why
        not; a lobby that streams is left as it is."""
        return await lobbies.restart(lobby)

    @api.post("/{lobby}/recycle")
    async def recycle(lobby: LobbyPath) -> Recycled:
        """Replace the lobby's worker by another one; viewers stay, and the program of a desktop runs on. Answers when
        the worker before is gone, with its receipt; an error says why it goes on. On a GPU it waits for its turn, at
        most 30 s."""
        return await lobbies.recycle(lobby)
