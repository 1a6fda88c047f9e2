"""Names that the host gives: short for lobbies, unguessable for viewers (a viewer's address is the right to end it)."""

from __future__ import annotations

import re
import secrets

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # 32, without l, o, 0 and 1: read aloud without mistakes
LOBBY_ID = re.compile(r"l_[a-z0-9]{12}")


def lobby_id() -> str:
    """`l_` and 12 letters (60 bits)."""
    return "l_" + _random(12)


def viewer_id() -> str:
    """`v_` and 26 letters (130 bits)."""
    return "v_" + _random(26)


def tag() -> str:
    """Names an ICE session, an epoch or a reader of a bus: 16 letters."""
    return _random(16)


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
