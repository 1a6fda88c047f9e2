"""Who may ask guard's API: names of this machine only (DNS rebinding), no pages of other sites, and the token where
there is one. Pure decisions on one request's headers, and the answer that refuses."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from steadycast.config.tokens import TokenHash
from steadycast.errors import CallerError, SteadycastError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MEDIA_TYPE = "application/problem+json"  # RFC 9457


def problem(error: SteadycastError) -> Response:
    """An error as an answer."""
    body = {
        "type": f"urn:steadycast:{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.what,
        "code": error.code,
        "why": error.why,
        "hint": error.hint,
        "retry_after": error.retry_after,
    }
    headers = {} if error.retry_after is None else {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="steadycast"'
    return Response(json.dumps(body), error.status, headers, MEDIA_TYPE)


def refusal(headers: Headers, token: TokenHash | None) -> SteadycastError | None:
    """Why a request is refused; None: it may come in."""
    hosts = headers.getlist("host")
    if len(hosts) != 1 or _name(hosts[0]) not in LOOPBACK:
        why = "It is asked for under a name that is not this machine's own."
        return CallerError("host.refused", "This name is not guard's.", why=why, status=403)
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != hosts[0]:
        return CallerError("origin.refused", "Pages of other origins are refused.", status=403)
    if headers.get("sec-fetch-site") not in (None, "same-origin", "none"):
        return CallerError("origin.refused", "Pages of other sites are refused.", status=403)
    if token is None:
        return None
    scheme, _, sent = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not sent.strip():
        hint = "Send the header `Authorization: Bearer TOKEN`."
        return CallerError("auth.missing", "A token is needed.", hint=hint, status=401)
    return None if token.fits(sent.strip()) else CallerError("auth.wrong", "The token is wrong.", status=401)


class Door:
    """In front of the application."""

    def __init__(self, app: ASGIApp, token: TokenHash | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        error = refusal(Headers(scope=scope), self._token)
        await (self._app if error is None else problem(error))(scope, receive, send)


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
