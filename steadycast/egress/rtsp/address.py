"""What an RTSP URL asks for: the path of a lobby, and a track of it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

PATH_CHARS = 256
TRACK_PREFIX = "trackID="
_TRACK = re.compile(rf"{TRACK_PREFIX}([0-9]{{1,3}})\Z")
_HOST = re.compile(r"[A-Za-z0-9.\-_:\[\]%]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """`path` has no slash at its ends and is decoded; empty for the server itself (`*`). `base` is how the client
    spells the presentation, without a slash at its end. `track` is counted from 0; None for the whole presentation."""

    path: str
    base: str
    track: int | None = None


def parse_address(url: str) -> Address | None:
    """The address in a request line; None where it is none. User, password and query are left out."""
    if url == "*":
        return Address("", "*")
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        raw = parts.path.strip("/")
        path = unquote(raw, errors="strict")
    except (ValueError, UnicodeDecodeError):
        return None
    if parts.scheme not in ("rtsp", "rtspu", "") or bool(parts.scheme) != bool(host):
        return None
    if host and not _HOST.match(host):
        return None
    head, _, tail = raw.rpartition("/")
    track = _TRACK.match(tail)
    if track and head:
        raw, path = head, unquote(head)
    if (
        len(path) > PATH_CHARS
        or not path.isprintable()
        or any(part in ("", ".", "..") for part in path.split("/")[:-1])
    ):
        return None
    prefix = f"rtsp://{host}" if host else ""
    return Address(path.strip("/"), f"{prefix}/{raw}".rstrip("/"), int(track[1]) if track and head else None)
