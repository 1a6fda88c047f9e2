"""Digest login (RFC 2617, RFC 7616) of one connection: MD5 and SHA-256, with the time as an argument.

A nonce is good on the connection that it was given to and nowhere else, so a response that somebody overheard is of no
use, and a connection keeps one nonce at a time: their number is bounded by the number of connections.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from steadycast.egress.rtsp.address import parse_address
from steadycast.egress.rtsp.protocol import Request

NONCE_S = 600.0

# Strongest last: the clients that know one algorithm only (ffmpeg, GStreamer, live555) take the last challenge.
_HASHES: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
_PARAMETER = re.compile(r'\s*([A-Za-z0-9_-]{1,32})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))\s*(?:,|\Z)')


@dataclass(frozen=True, slots=True)
class Verdict:
    """`allowed`, or else the WWW-Authenticate headers to answer with. They never say what was wrong with a login."""

    allowed: bool
    challenges: tuple[str, ...] = ()


class DigestLogin:
    """Decides whether the requests of one connection are from somebody who knows the password.

    `ha1` maps an algorithm to the hex H(user:realm:password); empty: everybody may come in.
    """

    def __init__(self, ha1: dict[str, str], realm: str) -> None:
        self._ha1 = ha1
        self._realm = realm
        self._nonce: str | None = None
        self._until = 0.0

    def check(self, request: Request, now: float) -> Verdict:
        """Look at one request. `now` is in seconds of a clock that never goes back."""
        if not self._ha1:
            return Verdict(True)
        fields = _parse(request.headers.get("authorization", ""))
        if fields is None or not self._knows_password(request, fields):
            return Verdict(False, self._challenge(False, now))
        known = self._nonce is not None and now < self._until
        if known and hmac.compare_digest(fields["nonce"].encode(), str(self._nonce).encode()):
            return Verdict(True)
        return Verdict(False, self._challenge(True, now))

    def _challenge(self, stale: bool, now: float) -> tuple[str, ...]:
        if self._nonce is None or now >= self._until:
            self._nonce = secrets.token_hex(16)
            self._until = now + NONCE_S
        end = ", stale=true" if stale else ""
        return tuple(
            f'Digest realm="{self._realm}", nonce="{self._nonce}", algorithm={name}{end}'
            for name in _HASHES
            if name in self._ha1
        )

    def _knows_password(self, request: Request, fields: dict[str, str]) -> bool:
        """Whether the response is right for the nonce that it names, be that one good or not."""
        name = fields.get("algorithm", "MD5").upper()
        if name not in self._ha1 or name not in _HASHES or "qop" in fields:
            return False
        if not {"nonce", "uri", "response"} <= fields.keys() or fields.get("realm") != self._realm:
            return False
        asked, signed = parse_address(request.url), parse_address(fields["uri"])
        if asked is None or signed is None or (asked.path, asked.track) != (signed.path, signed.track):
            return False
        digest = _HASHES[name]
        ha2 = digest(f"{request.method}:{fields['uri']}".encode())
        expected = digest(f"{self._ha1[name].lower()}:{fields['nonce']}:{ha2}".encode())
        return hmac.compare_digest(expected.encode(), fields["response"].lower().encode())


def _parse(header: str) -> dict[str, str] | None:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "digest":
        return None
    fields: dict[str, str] = {}
    position = 0
    while position < len(rest):
        match = _PARAMETER.match(rest, position)
        if match is None or match.end() == position:
            return None
        name = match[1].lower()
        if name in fields:
            return None
        fields[name] = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        position = match.end()
    return fields
