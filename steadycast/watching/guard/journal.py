"""What happened, one entry each: in the terminal, in a bounded list for the API, and counted."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum

import structlog

log = structlog.get_logger("guard")

KEPT = 500


class Kind(StrEnum):
    """Kinds of entries."""

    GUARD = "guard"  # of guard itself
    SERVER = "server"  # started, ended, adopted
    HEALTH = "health"
    SIGN = "sign"
    DECISION = "decision"
    EVIDENCE = "evidence"
    EFFECT = "effect"
    PERSON = "person"
    TROUBLE = "trouble"  # guard could not do or see something


_LEVELS = {Kind.TROUBLE: "warning", Kind.SIGN: "warning"}


@dataclass(frozen=True, slots=True)
class Entry:
    """`at` in Unix seconds; `number` counts from 1."""

    number: int
    at: float
    kind: Kind
    text: str
    details: dict[str, str]


class Journal:
    """Entries in order; the oldest go."""

    def __init__(self, name: str) -> None:
        self._log = log.bind(server=name)
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self.counts: Counter[str] = Counter()

    def say(self, kind: Kind, text: str, *, grave: bool = False, **details: object) -> None:
        """Note it, and print it."""
        told = {key: str(value) for key, value in details.items() if value is not None}
        self._entries.append(Entry(sum(self.counts.values()) + 1, time.time(), kind, text, told))
        self.counts[kind.value] += 1
        getattr(self._log, "error" if grave else _LEVELS.get(kind, "info"))(text, **told)

    def entries(self, after: int = 0, limit: int = KEPT) -> list[Entry]:
        """Those with a higher number, the oldest first."""
        return [one for one in self._entries if one.number > after][:limit]
