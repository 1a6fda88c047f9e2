"""An answer to a request, and how errors are told to RTSP clients. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from steadycast.egress.rtsp.protocol import METHODS, REASONS, serialize
from steadycast.errors import SteadycastError

PUBLIC = ", ".join(METHODS)
RETRY_S = 5  # told where a refusal does not say when to come again

# HTTP words of our errors that RTSP has not.
_STATUS = {409: 503, 422: 400, 429: 503}


@dataclass(frozen=True, slots=True)
class Answer:
    """`close`: the connection ends after it. `then` is called when it was written, before anything else happens."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    close: bool = False
    then: Callable[[], None] | None = None

    def spell(self, cseq: str | None, session: str | None) -> bytes:
        """The bytes; `session` is the value of the Session header."""
        headers = [("Server", "Steadycast")]
        if session is not None:
            headers.append(("Session", session))
        headers += self.headers
        if self.close:
            headers.append(("Connection", "close"))
        return serialize(self.status, cseq, headers, self.body)


def refuse(status: int, why: str | None = None, *headers: tuple[str, str], close: bool = False) -> Answer:
    """An answer that says no, and why in its body."""
    body = b"" if why is None else f"{why}\r\n".encode()
    kind = () if why is None else (("Content-Type", "text/plain; charset=utf-8"),)
    return Answer(status, (*headers, *kind), body, close)


def refuse_error(error: SteadycastError) -> Answer:
    """The answer for an error of ours: its status where RTSP has it, its reason in words."""
    status = _STATUS.get(error.status, error.status)
    if status not in REASONS or status < 400:
        status = 400 if 400 <= status < 500 else 500
    headers: list[tuple[str, str]] = []
    if status == 503 or error.retry_after is not None:
        wait = RETRY_S if error.retry_after is None else error.retry_after
        headers.append(("Retry-After", str(max(1, math.ceil(wait)))))
    parts = (error.what, error.why, error.hint)
    return refuse(status, ". ".join(part.rstrip(".") for part in parts if part) + ".", *headers)
