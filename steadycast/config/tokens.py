"""The token of the host, kept as hashes: compared in constant time, never shown. Pure.

RTSP's digest login (RFC 7616) needs hashes made with user and realm beside the plain hash of the token:
`sha256:<token>,md5-ha1:<user:realm:token>,sha256-ha1:<user:realm:token>`, each in hex. A token is a long random
text, so these are fast hashes; a short one could be guessed from them, hence `MIN_LENGTH`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from steadycast.errors import ConfigError

USER = "steadycast"
REALM = "steadycast"
MIN_LENGTH = 16
_FORM = re.compile(r"sha256:([0-9a-f]{64}),md5-ha1:([0-9a-f]{32}),sha256-ha1:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class TokenHash:
    """What is kept of a token: its SHA-256, and HA1 of user `steadycast` and realm `steadycast` for both algorithms."""

    sha256: str
    ha1_md5: str
    ha1_sha256: str

    def fits(self, token: str) -> bool:
        """Whether this is the token; takes the same time either way."""
        given = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        return hmac.compare_digest(given, self.sha256)

    def digest(self) -> dict[str, str]:
        """HA1 by algorithm, as `ConfigureEgress` wants it."""
        return {"MD5": self.ha1_md5, "SHA-256": self.ha1_sha256}

    def text(self) -> str:
        """The form that the setting `auth.token_hash` takes."""
        return f"sha256:{self.sha256},md5-ha1:{self.ha1_md5},sha256-ha1:{self.ha1_sha256}"


def hash_token(token: str) -> TokenHash:
    """Hashes of a token. Raises ValueError for one that is too short or not printable ASCII."""
    if len(token) < MIN_LENGTH or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError(f"a token has at least {MIN_LENGTH} printable ASCII characters and no spaces")
    login = f"{USER}:{REALM}:{token}".encode()
    return TokenHash(
        hashlib.sha256(token.encode()).hexdigest(),
        hashlib.md5(login, usedforsecurity=False).hexdigest(),
        hashlib.sha256(login).hexdigest(),
    )


def read_hash(text: str) -> TokenHash:
    """The hashes from the form of `TokenHash.text`. Raises ValueError."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError("not what `steadycast token hash` printed")
    return TokenHash(*found.groups())


def new_token() -> str:
    """A fresh token: 256 bits."""
    return secrets.token_urlsafe(32)


def configured(token: str | None, token_hash: str | None) -> TokenHash | None:
    """What the settings `auth.token` and `auth.token_hash` say; None where neither is set. Raises ConfigError."""
    if token is not None and token_hash is not None:
        raise ConfigError("config.auth", "auth.token and auth.token_hash are both set: allowed is one of them.")
    try:
        if token is not None:
            return hash_token(token)
        return None if token_hash is None else read_hash(token_hash)
    except ValueError as error:
        key = "auth.token" if token is not None else "auth.token_hash"
        raise ConfigError("config.auth", f"{key}: {error}.", hint="`steadycast token new` makes one.") from None
