"""A file of one MIT-MAGIC-COOKIE-1 for one display, so that no other user of the machine can connect to it.

Format: Xau(3), `struct xauth`: big-endian 16-bit family, then address, display number, name and data, each with a
16-bit length.
"""

from __future__ import annotations

import os
import secrets
import struct
from pathlib import Path

_FAMILY_WILD = 65535  # FamilyWild: for any address, so that the host's name does not matter
_NAME = b"MIT-MAGIC-COOKIE-1"


def entry(cookie: bytes) -> bytes:
    """An entry that holds for any address and, with an empty number, for any display."""
    parts = (b"", b"", _NAME, cookie)
    return struct.pack(">H", _FAMILY_WILD) + b"".join(struct.pack(">H", len(part)) + part for part in parts)


def write_cookie(path: Path) -> None:
    """Write a new random cookie, readable for this user only. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(entry(secrets.token_bytes(16)))
