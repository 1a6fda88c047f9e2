"""What a kind of cycle is."""

from __future__ import annotations

from typing import Protocol


class Missing(Exception):
    """The machine has not what it takes."""


class Kind(Protocol):
    """Something that comes and goes. `lose`: this time a piece of it stays."""

    def cycle(self, lose: bool) -> None: ...

    def close(self) -> None: ...
