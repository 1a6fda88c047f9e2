"""`/whep/{lobby}`: a browser watches (draft-ietf-wish-whep; sessions, trickle and restarts as in RFC 9725)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from steadycast.api.intake import FRAGMENT, SDP
from steadycast.api.params import LobbyPath, ViewerPath
from steadycast.config.settings import IceServer
from steadycast.errors import CallerError, NotFoundError, SteadycastError
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.views import WhepSession

log = structlog.get_logger("api")

_SDP_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {SDP: {"schema": {"type": "string"}}}},
}
_FRAGMENT_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {FRAGMENT: {"schema": {"type": "string"}}}},
}
RenditionQuery = Annotated[str | None, Query(min_length=1, max_length=40, description="Name of a rendition.")]


def ice_links(servers: tuple[IceServer, ...]) -> tuple[str, ...]:
    """A Link header for each STUN and TURN server (RFC 9725 section 4.6)."""
    links = []
    for server in servers:
        link = f'<{server.url}>; rel="ice-server"'
        if server.username is not None and server.credential is not None:
            secret = server.credential.get_secret_value()
            link += f'; username="{_quoted(server.username)}"; credential="{_quoted(secret)}"'
            link += '; credential-type="password"'
        links.append(link)
    return tuple(links)


def entity_tag(if_match: str | None) -> str | None:
    """What If-Match names: None, `*`, or the first tag without its quotes."""
    if if_match is None:
        return None
    first = if_match.split(",", 1)[0].strip().removeprefix("W/")
    return first if first == "*" else first.strip('"')[:200]


async def read_sdp(request: Request) -> str:
    """The body as text. Raises CallerError `sdp.empty` or `sdp.binary`."""
    body = await request.body()
    if not body.strip():
        raise CallerError("sdp.empty", "The SDP is empty.", hint="Send the offer that the browser made.")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise CallerError("sdp.binary", "The SDP is not text.", why="It must be UTF-8 without NUL (RFC 8866).")
    return text


def router(lobbies: Lobbies, servers: tuple[IceServer, ...]) -> APIRouter:
    """Offer, trickle and restart, end."""
    api = APIRouter(prefix="/whep", tags=["whep"])
    _add_offers(api, lobbies, ice_links(servers))
    _add_sessions(api, lobbies)
    return api


def _add_offers(api: APIRouter, lobbies: Lobbies, links: tuple[str, ...]) -> None:
    @api.post("/{lobby}", status_code=201, openapi_extra=_SDP_BODY, response_class=Response)
    async def offer(request: Request, lobby: LobbyPath, rendition: RenditionQuery = None) -> Response:
        """An SDP offer becomes a viewer: 201 with the answer, its address in Location, and its ETag."""
        sdp = await read_sdp(request)
        remote = request.client.host if request.client else None
        offering = lobbies.whep_offer(lobby, sdp, remote=remote, rendition=rendition)
        session = await unless_gone(request, offering, lobbies)
        response = Response(session.answer, 201, media_type=SDP)
        response.headers["Location"] = f"/whep/{lobby}/{session.viewer}"
        response.headers["ETag"] = f'"{session.etag}"'
        response.headers["Accept-Patch"] = FRAGMENT
        return _linked(response, links)

    @api.options("/{lobby}", status_code=204, response_class=Response)
    async def options(lobby: LobbyPath) -> Response:
        """What is accepted here."""
        return _linked(Response(status_code=204, headers={"Accept-Post": SDP, "Allow": "POST, OPTIONS"}), links)


def _add_sessions(api: APIRouter, lobbies: Lobbies) -> None:
    @api.patch("/{lobby}/{viewer}", openapi_extra=_FRAGMENT_BODY, response_class=Response)
    async def patch(request: Request, lobby: LobbyPath, viewer: ViewerPath) -> Response:
        """Trickled candidates (204), or an ICE restart (200 with the host's fragment). Needs If-Match."""
        belongs(lobbies, lobby, viewer)
        fragment = await read_sdp(request)
        patched = await lobbies.whep_patch(viewer, fragment, entity_tag(request.headers.get("if-match")))
        if patched.fragment is None:
            return Response(status_code=204)
        return Response(patched.fragment, 200, {"ETag": f'"{patched.etag}"'}, FRAGMENT)

    @api.delete("/{lobby}/{viewer}", response_class=Response)
    async def delete(lobby: LobbyPath, viewer: ViewerPath) -> Response:
        """End the viewer."""
        belongs(lobbies, lobby, viewer)
        await lobbies.end_viewer(viewer, "left")
        return Response(status_code=200)

    @api.options("/{lobby}/{viewer}", status_code=204, response_class=Response)
    async def options(lobby: LobbyPath, viewer: ViewerPath) -> Response:
        """What is accepted at a viewer's address."""
        return Response(status_code=204, headers={"Accept-Patch": FRAGMENT, "Allow": "PATCH, DELETE, OPTIONS"})


def _linked(response: Response, links: tuple[str, ...]) -> Response:
    for link in links:
        response.headers.append("Link", link)
    return response


def belongs(lobbies: Lobbies, lobby: str, viewer: str) -> None:
    """Raises NotFoundError where this viewer is not one of this lobby."""
    if lobbies.get_viewer(viewer).lobby != lobbies.get(lobby).id:
        raise NotFoundError("viewer.unknown", "No such viewer.", why="It is not one of this lobby.")


async def unless_gone(request: Request, offering: Coroutine[Any, Any, WhepSession], lobbies: Lobbies) -> WhepSession:
    """The session; if the client hangs up meanwhile its viewer is ended and nothing is left to answer to."""
    offer = asyncio.create_task(offering)
    leaving = asyncio.create_task(_hang_up(request.receive))
    try:
        await asyncio.wait({offer, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not leaving.done():
            return offer.result()
        log.info("client gone before its answer", path=request.url.path[:200])
        offer.cancel()  # it may wait in the line for an encoder: somebody else is next then
        await asyncio.wait({offer})
        if not offer.cancelled() and offer.exception() is None:
            await _end(lobbies, offer.result().viewer)
        raise CallerError("client.gone", "The client hung up before its answer.", status=499)
    except asyncio.CancelledError:
        offer.cancel()
        raise
    finally:
        leaving.cancel()


async def _hang_up(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(lobbies: Lobbies, viewer: str) -> None:
    try:
        await lobbies.end_viewer(viewer, "client gone")
    except SteadycastError as error:
        log.info("viewer of a gone client not ended", viewer=viewer, code=error.code)


def _quoted(text: str) -> str:
    """The inside of a quoted-string (RFC 9110 section 5.6.4); other control characters cannot be in a header."""
    return "".join(c for c in text if c.isprintable()).replace("\\", "\\\\").replace('"', '\\"')
