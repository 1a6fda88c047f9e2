"""Take credentials out of what is shown: addresses of cameras, texts that may quote them, settings. Pure."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from steadycast.model import RtspSource, Source
from steadycast.workers.codec import to_plain

MASK = "***"
_SECRET_KEY = re.compile(r"(?i)([?&;](?:[^=&;]*(?:pass|pwd|token|auth|secret|key|user|login)[^=&;]*)=)[^&;#]*")
SHOWN = 200  # characters of one value
_SECRET_NAME = re.compile(r"(?i)(^|[._-])(pass|password|pwd|token|token_hash|secret|credential|api_?key)$")
_ANY_USERINFO = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://)[^/?#\s]*@")
_USERINFO = re.compile(r"(?i)\b(rtsps?://)[^/?#\s]*@")
_ADDRESS = re.compile(r"(?i)\b[a-z][a-z0-9+.-]{0,20}://[^\s\"'<>]+")


def masked_url(url: str) -> str:
    """The address with user and password, and what looks like them in the query, as `***`."""
    return _SECRET_KEY.sub(rf"\1{MASK}", _USERINFO.sub(rf"\1{MASK}@", url))


def masked_text(text: str) -> str:
    """A text of which nobody knows what it quotes: every address in it is masked."""
    return _ADDRESS.sub(lambda found: masked_url(_ANY_USERINFO.sub(rf"\1{MASK}@", found[0])), text)


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


def shown_value(value: Any, key: str = "") -> str:
    """A setting, or a field of a lobby, as a short text without secrets. `key` is its name, which may say that it is
    one."""
    plain = _without_secrets(value, key)
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _without_secrets(value: Any, key: str) -> Any:
    if value is not None and (isinstance(value, SecretStr) or _SECRET_NAME.search(key)):
        return MASK
    if isinstance(value, BaseModel):
        return {name: _without_secrets(getattr(value, name), name) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(name): _without_secrets(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_without_secrets(inner, "") for inner in value]
    return masked_url(_ANY_USERINFO.sub(rf"\1{MASK}@", value)) if isinstance(value, str) else value
