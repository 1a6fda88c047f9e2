"""Takes out of lines what may be a credential, before anybody keeps or shows them."""

from __future__ import annotations

import re

MASK = "***"
_NAMES = ("pass", "pwd", "token", "secret", "key", "authori", "credential", "cookie", "pin", "bearer", "basic")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^/?#\s@]{1,300}@")
_NAMED = re.compile(
    r"(?i)((?:pass(?:word|wd|phrase)?|pwd|token|secret|api[-_]?key|access[-_]?key|authorization|credential|cookie|pin)"
    r"[\"']?\s{0,3}[=:]\s{0,3}(?:(?:bearer|basic|digest)\s{1,3})?)[\"']?[^\s\"',;&}]{1,300}"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s{1,3}[a-z0-9._~+/=-]{8,600}")


def masked(text: str) -> str:
    """User and password of addresses, and values of what is named like a secret, as `***`."""
    if "@" in text:
        text = _USERINFO.sub(rf"\1{MASK}@", text)
    low = text.lower()
    if any(name in low for name in _NAMES):  # most lines end here, at a tenth of the cost
        text = _BEARER.sub(rf"\1 {MASK}", _NAMED.sub(rf"\1{MASK}", text))
    return text
