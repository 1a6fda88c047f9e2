"""The door: asks `security` about each request and acts on the verdict. ASGI: streams and hang-ups pass through."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steadycast.api.attempts import Attempts
from steadycast.api.errors import Problem
from steadycast.api.security import (
    ALLOWED_HEADERS,
    ALLOWED_METHODS,
    EXPOSED_HEADERS,
    Asked,
    Rules,
    Verdict,
    bearer,
    decide,
    is_foreign,
    is_guarded,
)
from steadycast.errors import CallerError, SteadycastError

log = structlog.get_logger("api")

PREFLIGHT_KEPT_S = 600


class Guard:
    """Refuses wrong hosts, foreign origins and wrong tokens; answers CORS for the origins that are allowed."""

    def __init__(self, app: ASGIApp, rules: Rules, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._rules = rules
        self._clock = clock
        self._attempts = Attempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})  # there are none here
            else:
                await self._app(scope, receive, send)
            return
        asked = read(scope)
        answer = self._answer(asked, _address(scope))
        if is_foreign(self._rules, asked):
            send = _with_cors(send, asked.origin or "")
        await (answer or self._app)(scope, receive, send)

    def _answer(self, asked: Asked, address: str) -> Response | None:
        """What to say instead of passing the request on; None: pass it on."""
        sent = bearer(asked.authorization) if self._rules.token and is_guarded(asked.path) else None
        now = self._clock()
        if sent is not None and (wait := self._attempts.wait_s(address, now)) > 0:
            return Problem(_too_many(wait))
        verdict = decide(self._rules, asked)
        if verdict is Verdict.PASS:
            return None
        if verdict is Verdict.PREFLIGHT:
            return Response(status_code=204, headers=_preflight())
        if verdict is Verdict.TOKEN_WRONG and sent is not None:
            # Cut short: it tells tokens apart and gives none away.
            self._attempts.wrong(address, hashlib.sha256(sent.encode()).hexdigest()[:16], now)
        log.warning("request refused", reason=str(verdict), path=asked.path[:200], address=address)
        return _refusal(verdict)


def read(scope: Scope) -> Asked:
    """What a request says of itself."""
    headers = Headers(scope=scope)
    hosts = headers.getlist("host")
    preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
    return Asked(
        method=scope["method"],
        path=scope["path"],
        scheme=scope.get("scheme", "http"),
        host=hosts[0] if len(hosts) == 1 else None,  # of several, a proxy may take another one (RFC 9112 section 3.2)
        origin=headers.get("origin"),
        site=headers.get("sec-fetch-site"),
        mode=headers.get("sec-fetch-mode"),
        authorization=headers.get("authorization"),
        preflight=preflight,
    )


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _too_many(wait: float) -> SteadycastError:
    error = CallerError(
        "auth.too_many",
        "Too many wrong tokens came from this address.",
        hint="Wait, then use the right one.",
        status=429,
    )
    error.retry_after = wait
    return error


def _refusal(verdict: Verdict) -> Problem:
    if verdict is Verdict.HOST_REFUSED:
        why = "The host listens on loopback and is asked for under a name that is not its own (DNS rebinding)."
        hint = "Use http://localhost or http://127.0.0.1, or add the origin to http.allowed_origins."
        return Problem(CallerError(verdict, "This name is not the host's.", why=why, hint=hint, status=403))
    if verdict is Verdict.ORIGIN_REFUSED:
        why = "A page of another web origin asked."
        hint = "If that page is yours, add its origin to http.allowed_origins."
        return Problem(CallerError(verdict, "Other web origins are refused.", why=why, hint=hint, status=403))
    challenge = 'Bearer realm="steadycast"'
    what = "A token is needed."
    if verdict is Verdict.TOKEN_WRONG:
        challenge += ', error="invalid_token"'
        what = "The token is wrong."
    hint = "Send the header `Authorization: Bearer TOKEN` with the token of the host's config."
    return Problem(CallerError(verdict, what, hint=hint, status=401), headers={"WWW-Authenticate": challenge})


def _preflight() -> dict[str, str]:
    return {
        "Access-Control-Allow-Methods": ALLOWED_METHODS,
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_KEPT_S),
    }


def _with_cors(send: Send, origin: str) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            headers.add_vary_header("Origin")
        await send(message)

    return sender
