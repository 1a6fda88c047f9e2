"""What the driver knows of lobbies: what was acknowledged, and what may be either way because nobody answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.chaos.plane import Plane


@dataclass(slots=True)
class Entry:
    """A key. `id`: acknowledged, and not deleted; `maybe`: an order for it was not answered, so that it may be there or
    not; `busy`: orders that are under way."""

    request: dict[str, Any]
    id: str | None = None
    maybe: bool = False
    busy: int = 0
    quiet_since: float = field(default_factory=time.monotonic)

    @property
    def sure(self) -> bool:
        return not self.maybe and not self.busy


class Book:
    """By key. `finding` is told what an answer should not have been."""

    def __init__(self, plane: Plane, note: Callable[[str], None], finding: Callable[[str], None]) -> None:
        self.entries: dict[str, Entry] = {}
        self._plane = plane
        self._note = note
        self._finding = finding

    def live(self) -> list[str]:
        """Keys of lobbies that are surely there."""
        return [key for key, entry in self.entries.items() if entry.id is not None and entry.sure]

    @contextmanager
    def busy(self, key: str) -> Iterator[Entry]:
        entry = self.entries[key]
        entry.busy += 1
        try:
            yield entry
        finally:
            entry.busy -= 1
            entry.quiet_since = time.monotonic()

    async def create(self, key: str, request: dict[str, Any]) -> str | None:
        """The id; None where nobody answered, or it was refused."""
        entry = self.entries.setdefault(key, Entry(request))
        with self.busy(key):
            known = None if entry.maybe or entry.busy > 1 else entry.id
            answer = await self._plane.ask("POST", "/api/v1/lobbies", {"key": key, "name": key, **request})
            if answer is None:
                entry.maybe = True
                return None
            if answer.status_code not in (200, 201):
                self._note(f"create {key}: {answer.status_code} {answer.text[:200]}")
                return None
            told: str = answer.json()["id"]
            if known is not None and (told != known or answer.status_code != 200):
                self._finding(f"create {key} again: {answer.status_code} {told}, it was {known}")
            if entry.busy == 1:
                entry.id, entry.maybe = told, False
            return told

    async def delete(self, key: str) -> bool:
        """Whether it is surely gone."""
        with self.busy(key) as entry:
            answer = await self._plane.ask("DELETE", f"/api/v1/lobbies/{key}")
            if answer is None:
                entry.maybe = True
                return False
            if answer.status_code not in (200, 404):
                self._note(f"delete {key}: {answer.status_code} {answer.text[:200]}")
                return False
            if answer.status_code == 200 and (state := answer.json()["state"]) != "DESTROYED":
                self._finding(f"delete {key}: {state} {answer.text[:1500]}")
            if entry.busy == 1:
                entry.id, entry.maybe = None, False
            return True

    async def settle(self) -> None:
        """Find out what is true where nobody answered, or orders crossed. Nothing else may be asked meanwhile."""
        for key, entry in self.entries.items():
            if not entry.busy and entry.maybe:
                answer = await self._plane.ask("GET", f"/api/v1/lobbies/{key}")
                if answer is not None and answer.status_code in (200, 404):
                    entry.id = answer.json()["id"] if answer.status_code == 200 else None
                    entry.maybe = False

    def compare(self, views: list[dict[str, Any]], asked_at: float) -> list[str]:
        """What of the host's list, asked for at that time, is not as it was acknowledged."""
        wrong = []
        keys = [view["key"] for view in views]
        wrong += [f"key {key} is there twice" for key in set(keys) if keys.count(key) > 1]
        there = {view["key"]: view["id"] for view in views}
        for key, entry in self.entries.items():
            if not entry.sure or entry.quiet_since > asked_at:
                continue
            if there.get(key) != entry.id:
                wrong.append(f"lobby {key}: acknowledged {entry.id}, the host has {there.get(key)}")
        wrong += [f"lobby {key} that nobody created" for key in there if key not in self.entries]
        return wrong
