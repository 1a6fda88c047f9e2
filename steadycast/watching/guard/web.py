"""Asks an address over HTTP/1.0, also over a Unix socket: one request, one bounded answer, no redirects followed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

BODY = 65_536  # bytes of an answer that are looked at
_STATUS = re.compile(r"HTTP/1\.[01] (\d{3})\b")


class NoAnswerError(Exception):
    """Something came that is no HTTP, or nothing."""


@dataclass(frozen=True, slots=True)
class Got:
    """An answer."""

    status: int
    body: str


async def get(url: str, socket: Path | None = None) -> Got:
    """Raises OSError (no connection), NoAnswerError. Whoever calls sets the deadline."""
    parts = urlsplit(url)
    async with _connected(parts, socket) as (reader, writer):
        writer.write(_request(parts))
        await writer.drain()
        data = bytearray()
        while len(data) < BODY and (some := await reader.read(BODY - len(data))):
            data += some
            if _is_whole(data):
                break
    head, _, body = data.partition(b"\r\n\r\n")
    found = _STATUS.match(head.decode("latin-1"))
    if found is None:
        raise NoAnswerError("it closed the connection without an answer" if not data else "the answer is no HTTP")
    return Got(int(found[1]), body.decode(errors="replace"))


@contextlib.asynccontextmanager
async def _connected(
    parts: SplitResult, socket: Path | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    if socket is not None:
        reader, writer = await asyncio.open_unix_connection(str(socket))
    else:
        secure = ssl.create_default_context() if parts.scheme == "https" else None
        port = parts.port or (443 if secure else 80)
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()  # an answer is whole or of no use: nothing is waited for


def _request(parts: SplitResult) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.hostname or "localhost"
    host = f"[{host}]" if ":" in host else host
    host = f"{host}:{parts.port}" if parts.port else host
    lines = [
        f"GET {path} HTTP/1.0",
        f"Host: {host}",
        "Accept: */*",
        "Connection: close",
        "User-Agent: steadycast-guard",
    ]
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _is_whole(data: bytearray) -> bool:
    """Whether all that Content-Length announces is there: some servers leave the connection open."""
    head, end, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"(?im)^content-length: *(\d{1,12})\s*$", bytes(head))
    return bool(end) and found is not None and len(body) >= int(found[1])
