"""Errors become answers here: application/problem+json (RFC 9457) with a stable code, why and hint."""

from __future__ import annotations

import json
import math
import secrets
import traceback
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steadycast.api.explain import FieldProblem, explain
from steadycast.errors import CallerError, NotFoundError, SteadycastError

log = structlog.get_logger("api")

MEDIA_TYPE = "application/problem+json"
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_LONGEST = 2000  # characters of any text in a problem: errors may repeat what a camera or a command said

_TEXT_OR_NULL = {"anyOf": [{"type": "string"}, {"type": "null"}]}
DOCUMENTED: dict[str, Any] = {
    "description": "An error: what (`detail`), why, and what to do (`hint`). Programs branch on `code`.",
    "content": {
        MEDIA_TYPE: {
            "schema": {
                "type": "object",
                "title": "Problem",
                "required": ["type", "title", "status", "detail", "code", "why", "hint", "retry_after"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                    "why": _TEXT_OR_NULL,
                    "hint": _TEXT_OR_NULL,
                    "retry_after": {"anyOf": [{"type": "number"}, {"type": "null"}]},
                },
            }
        }
    },
}

_PLAIN: dict[int, tuple[str, str, str | None]] = {
    400: ("request.not_json", "The request body cannot be read as JSON.", None),  # nested too deep, not UTF-8, ...
    404: ("request.path", "There is nothing at this address.", "See /docs for the addresses there are."),
    405: ("request.method", "This address does not take this method.", "The Allow header lists those it takes."),
    408: ("request.slow", "The request body did not come in time.", None),
    413: ("request.too_large", "The request body is too large.", None),
}


class Problem(Response):
    """An error as an answer."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        error: SteadycastError,
        *,
        fields: tuple[FieldProblem, ...] = (),
        headers: dict[str, str] | None = None,
        instance: str | None = None,
    ) -> None:
        body: dict[str, Any] = {
            "type": f"urn:steadycast:{error.code}",
            "title": _title(error.status),
            "status": error.status,
            "detail": error.what[:_LONGEST],
            "code": error.code,
            "why": error.why and error.why[:_LONGEST],
            "hint": error.hint and error.hint[:_LONGEST],
            "retry_after": error.retry_after,
        }
        if instance:
            body["instance"] = instance
        if fields:
            body["errors"] = [field.shown() for field in fields]
        all_headers = dict(headers or {})
        if error.retry_after is not None:
            all_headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
        # ASCII: what an error repeats may hold anything, lone surrogates too.
        super().__init__(json.dumps(body), error.status, all_headers)


def install(app: FastAPI, schema: dict[str, Any]) -> None:
    """Turn every error below `app` into a Problem; `schema` is the JSON schema of the bodies it takes."""

    async def steadycast(_: Request, error: Exception) -> Response:
        assert isinstance(error, SteadycastError)
        if error.status >= 500:
            log.warning("request failed", code=error.code, what=error.what, why=error.why)
        return Problem(error)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return invalid_request(error, schema)

    async def plain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # the router names the methods of one route only
            headers["Allow"] = ", ".join(_methods(app, request.scope))
        return Problem(_from_http(error), headers=headers)

    app.add_exception_handler(SteadycastError, steadycast)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)


def invalid_request(error: RequestValidationError, schema: dict[str, Any]) -> Problem:
    """What pydantic did not like, in words of the caller."""
    errors = error.errors()
    if any(e["loc"][:1] == ("path",) for e in errors):
        return Problem(NotFoundError("request.path", "There is nothing at this address.", hint="See /docs."))
    if errors[0]["type"] == "json_invalid":
        why = f"{errors[0].get('ctx', {}).get('error', 'It cannot be read')}, at character {errors[0]['loc'][-1]}."
        return Problem(CallerError("request.not_json", "The request body is not JSON.", why=why))
    fields = explain(errors, schema)
    first = fields[0]
    code = "request.unknown_field" if first.unknown else "request.invalid"
    problem = CallerError(code, f"{first.field} {first.problem}", why=first.allowed, hint=first.hint(), status=422)
    return Problem(problem, fields=fields)


def _from_http(error: HTTPException) -> SteadycastError:
    code, what, hint = _PLAIN.get(error.status_code, ("request.invalid", str(error.detail), None))
    if error.status_code >= 500:
        code = "host.error"
    return CallerError(code, what, hint=hint, status=error.status_code)


def _methods(app: FastAPI, scope: Scope) -> list[str]:
    """All methods that the address of a request takes."""

    def taken(method: str) -> bool:
        asked = {**scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in app.routes)

    return [method for method in _METHODS if taken(method)]


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


class Crash:
    """ASGI: an error nobody expected is logged with an id and answered with that id alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            log.info("client gone before its request was whole", method=scope["method"], path=scope["path"][:200])
        except Exception as crash:  # the edge: whatever it is, this request fails and the host goes on
            if scope["type"] != "http" or started:
                raise
            name = secrets.token_hex(6)
            # As text, because a log that shows the values of variables would show headers, and so tokens.
            text = "".join(traceback.format_exception(crash))
            log.error("request crashed", id=name, method=scope["method"], path=scope["path"][:200], exception=text)
            error = SteadycastError(
                "host.error",
                "Something went wrong in the host.",
                why="An error that was not expected; it was logged.",
                hint=f"Look for the id {name} in the host's log.",
            )
            await Problem(error, instance=f"urn:steadycast:error:{name}")(scope, receive, send)
