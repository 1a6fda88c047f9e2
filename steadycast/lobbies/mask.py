"""Take credentials out of what is shown: addresses of cameras, and texts that may quote them. Pure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from steadycast.model import RtspSource, Source
from steadycast.workers.codec import to_plain

MASK = "***"
_SECRET_KEY = re.compile(r"(?i)([?&;](?:[^=&;]*(?:pass|pwd|token|auth|secret|key|user|login)[^=&;]*)=)[^&;#]*")
_USERINFO = re.compile(r"(?i)\b(rtsps?://)[^/?#\s]*@")


def masked_url(url: str) -> str:
    """The address with user and password, and what looks like them in the query, as `***`."""
    return _SECRET_KEY.sub(rf"\1{MASK}", _USERINFO.sub(rf"\1{MASK}@", url))


def masked_source(source: Source) -> dict[str, Any]:
    """A source for showing."""
    plain: dict[str, Any] = to_plain(source)
    if isinstance(source, RtspSource):
        plain["url"] = masked_url(source.url)
    return plain


def scrubbed(text: str | None, source: Source) -> str | None:
    """A text of a worker without the source's credentials, as they are written in the address and as they are meant."""
    if text is None or not isinstance(source, RtspSource):
        return text
    text = text.replace(source.url, masked_url(source.url))
    try:
        parts = urlsplit(source.url)
        secrets = [parts.password or "", f"{parts.username}:{parts.password}" if parts.username else ""]
    except ValueError:
        secrets = []
    for secret in sorted({s for raw in secrets for s in (raw, unquote(raw)) if len(s) >= 3}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return masked_url(text)
