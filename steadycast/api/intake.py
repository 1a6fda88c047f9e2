"""Around every request: body limits and types on the way in, safe headers and an access log on the way out. ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steadycast.api.errors import Problem
from steadycast.errors import CallerError

log = structlog.get_logger("api")

# No inline script or style, nothing from elsewhere; pictures may be data: (icons), media may be blob: (the player).
CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
SAFE_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
JSON = "application/json"
BODY_S = 20.0  # from the first look at a request until its body is here
DRAIN_BYTES = 1_048_576
DRAIN_S = 2.0


def wanted_type(method: str, path: str) -> str | None:
    """The content type that a request must have; None: it needs no body."""
    if path.startswith("/whep/"):
        return {"POST": SDP, "PATCH": FRAGMENT}.get(method)
    if path.startswith("/api/") and method in ("POST", "PUT", "PATCH"):
        return JSON
    return None


class Intake:
    """Refuses bodies of the wrong type (415) and, while they still come in, bodies that are too large (413)."""

    def __init__(self, app: ASGIApp, body_bytes: int, sdp_bytes: int) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._sdp_bytes = sdp_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        wanted = wanted_type(scope["method"], scope["path"])
        sent = headers.get("content-type", "").partition(";")[0].strip().lower()
        if wanted is not None and sent != wanted:
            await Problem(_wrong_type(sent, wanted))(scope, receive, send)
            return
        limit = self._sdp_bytes if scope["path"].startswith("/whep/") else self._body_bytes
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > limit:
            if "expect" not in headers:  # else the client still waits with its body
                await _drain(receive)
            await Problem(_too_large(limit), headers={"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, _counted(receive, limit), send)


class Outgo:
    """Adds the safe headers to every answer and writes the access log: no query, no headers, no body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 0

        async def sender(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _complete(MutableHeaders(scope=message), scope["path"])
            await send(message)

        try:
            await self._app(scope, receive, sender)
        finally:
            write = log.debug if scope["method"] in ("GET", "HEAD", "OPTIONS") and status < 400 else log.info
            took_ms = round((time.monotonic() - began) * 1000)
            write("request", method=scope["method"], path=scope["path"][:200], status=status, took_ms=took_ms)


def _complete(headers: MutableHeaders, path: str) -> None:
    for name, value in SAFE_HEADERS.items():
        headers.setdefault(name, value)
    # The API's answers are of this moment; the page's files are asked for again and are mostly unchanged.
    headers.setdefault("Cache-Control", "no-store" if path.startswith(("/api", "/whep", "/metrics")) else "no-cache")


def _counted(receive: Receive, limit: int) -> Receive:
    taken = 0
    complete = False
    end = asyncio.get_running_loop().time() + BODY_S

    async def receiver() -> Message:
        nonlocal taken, complete
        if complete:
            return await receive()  # a hang-up, whenever it comes
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, headers={"Connection": "close"}) from None
        complete = not message.get("more_body")
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > limit:
                if message.get("more_body"):
                    await _drain(receive)
                # Starlette's own kind of error, because FastAPI passes only that on from its reading of a body.
                raise HTTPException(413, _too_large(limit).what, {"Connection": "close"})
        return message

    return receiver


async def _drain(receive: Receive) -> None:
    """Let the rest of a body that is refused come in, to a bound: a client that still sends may miss the answer."""
    left = DRAIN_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return


def _too_large(limit: int) -> CallerError:
    return CallerError(
        "request.too_large", "The request body is too large.", why=f"{limit} bytes are taken.", status=413
    )


def _wrong_type(sent: str, wanted: str) -> CallerError:
    what = f"The content type is {sent[:80]}." if sent else "The request has no content type."
    return CallerError("request.content_type", what, hint=f"Send it as {wanted}.", status=415)
