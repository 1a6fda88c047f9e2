"""The login of an RTSP client: Digest (RFC 2617 and 7616) where the server offers it, else Basic."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

_PART = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


class Login:
    """User and password, and what the server asked for."""

    def __init__(self, user: str | None, password: str) -> None:
        self._user = user
        self._password = password
        self._digest: dict[str, str] | None = None
        self._basic = False
        self._count = 0

    def challenged(self, header: str) -> bool:
        """The server wants a login: whether there is one to try that was not tried."""
        if self._user is None or self._digest is not None or self._basic:
            return False
        for challenge in header.split("\n"):
            scheme, _, rest = challenge.strip().partition(" ")
            parts = {name.lower(): quoted or plain for name, quoted, plain in _PART.findall(rest)}
            if scheme.lower() == "digest" and parts.get("algorithm", "MD5").upper() in _HASHES and "nonce" in parts:
                self._digest = parts
                return True
            self._basic = self._basic or scheme.lower() == "basic"
        return self._basic

    def header(self, method: str, url: str) -> str | None:
        """The value of Authorization; None where none was asked for."""
        if self._user is None:
            return None
        if self._digest is not None:
            return self._digested(self._digest, method, url)
        if self._basic:
            return f"Basic {base64.b64encode(f'{self._user}:{self._password}'.encode()).decode()}"
        return None

    def _digested(self, asked: dict[str, str], method: str, url: str) -> str:
        algorithm = asked.get("algorithm", "MD5").upper()

        def made(text: str) -> str:
            return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()

        realm, nonce = asked.get("realm", ""), asked["nonce"]
        user = made(f"{self._user}:{realm}:{self._password}")
        what = made(f"{method}:{url}")
        words = [f'username="{self._user}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{url}"']
        if "auth" in asked.get("qop", "").replace(" ", "").split(","):
            self._count += 1
            count, mine = f"{self._count:08x}", secrets.token_hex(8)
            words += ["qop=auth", f"nc={count}", f'cnonce="{mine}"']
            response = made(f"{user}:{nonce}:{count}:{mine}:auth:{what}")
        else:
            response = made(f"{user}:{nonce}:{what}")
        words.append(f'response="{response}"')
        if "algorithm" in asked:
            words.append(f"algorithm={algorithm}")
        if "opaque" in asked:
            words.append(f'opaque="{asked["opaque"]}"')
        return "Digest " + ", ".join(words)
