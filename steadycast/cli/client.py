"""Asks a running host over HTTP, with the standard library alone. Its problems become our errors again."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

from steadycast.errors import CallerError, ConfigError, RefusedError, SteadycastError

ANSWER_S = 60.0  # a delete answers after the last rung of the ladder
ANSWER_BYTES = 16 * 1024 * 1024
PIECE = 1 << 16
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The host never redirects; following one would hand the token to somebody else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Client:
    """A host's API at `url` (`http://127.0.0.1:8800`). Every call raises errors of `steadycast.errors`."""

    def __init__(self, url: str, token: str | None = None, timeout_s: float = ANSWER_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("url.invalid", "This is no address of a host.", hint="Like http://127.0.0.1:8800.")
        self.url = url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if parts.hostname in _LOOPBACK:
            handlers.append(urllib.request.ProxyHandler({}))  # a proxy elsewhere means another loopback
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path. Query parameters that are None are left out."""
        return self._ask("GET", _with(path, query))

    def save(self, path: str, file: IO[bytes], **query: Any) -> int:
        """Write what is at a path into a file as it comes, however long it is; the number of bytes. An OSError of the
        file is raised as it is."""
        asked = self._request("GET", _with(path, query), accept="*/*")
        count = 0
        with self._answer(asked) as answer:
            while piece := self._piece(answer):
                file.write(piece)
                count += len(piece)
        return count

    def post(self, path: str, body: Any) -> Any:
        """The JSON that posting this JSON gives."""
        return self._ask("POST", path, json.dumps(body).encode())

    def delete(self, path: str) -> Any:
        """What deleting gives: JSON, or None."""
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        with self._answer(self._request(method, path, body)) as answer:
            return _json(self._piece(answer, ANSWER_BYTES))

    def _request(
        self, method: str, path: str, body: bytes | None = None, accept: str = "application/json"
    ) -> urllib.request.Request:
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return urllib.request.Request(self.url + path, body, headers, method=method)

    def _answer(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """What the host says with a status of success."""
        try:
            answer: http.client.HTTPResponse = self._opener.open(request, timeout=self._timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                raise _problem(error.code, error.read(ANSWER_BYTES)) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        return answer

    def _piece(self, answer: http.client.HTTPResponse, most: int = PIECE) -> bytes:
        try:
            return answer.read(most)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> SteadycastError:
        reason = getattr(error, "reason", error)
        why = "It did not answer in time." if isinstance(reason, TimeoutError) else f"{reason}."
        hint = "Is it running? `steadycast serve` starts one; --url or STEADYCAST_URL says where it is."
        return RefusedError("host.unreachable", f"No host answers at {self.url}.", why=why, hint=hint)


def _with(path: str, query: dict[str, Any]) -> str:
    """With a query, without what is None."""
    sent = {name: value for name, value in query.items() if value is not None}
    return path + (f"?{urlencode(sent)}" if sent else "")


def part(text: str) -> str:
    """A word as one part of a path."""
    return quote(text, safe="")


def _json(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        raise RefusedError("host.strange", "Something that is no Steadycast host answered.") from None


def _problem(status: int, raw: bytes) -> SteadycastError:
    try:
        body = json.loads(raw)
        code, what = str(body["code"]), str(body["detail"])
    except (ValueError, KeyError, TypeError):
        return CallerError("host.strange", f"The host answered with status {status} and no reason.", status=status)
    hint = "Set STEADYCAST_TOKEN to the host's token." if status == 401 else body.get("hint")
    error = CallerError(code, what, why=body.get("why"), hint=hint, status=status)
    error.retry_after = body.get("retry_after")
    return error
