"""How far the log of each worker was read, and what was said of it: in a file, so that a host that begins anew does not
say it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOLD = 32  # diagnoses of one worker that are remembered, the newest
WORKERS = 1024
MOST_BYTES = 8 << 20
_TEXT = 400


@dataclass(slots=True)
class Place:
    """`offset`: bytes that were looked at, to the end of a line. `told`: signature and cause, newest last."""

    offset: int = 0
    told: dict[tuple[str, str], None] = field(default_factory=dict)

    def tell(self, signature: str, why: str) -> None:
        key = (signature, why[:_TEXT])
        self.told.pop(key, None)
        self.told[key] = None
        while len(self.told) > TOLD:
            del self.told[next(iter(self.told))]

    def was_told(self, signature: str, why: str) -> bool:
        return (signature, why[:_TEXT]) in self.told


def load(path: Path) -> dict[str, Place]:
    """By worker; nothing where there is no such file, or it was not written here."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return {}
        told = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    places = {}
    for worker, one in list(told.items())[:WORKERS] if isinstance(told, dict) else ():
        if (place := _place(one)) is not None:
            places[worker] = place
    return places


def store(path: Path, places: Mapping[str, Place]) -> str | None:
    """Answers with why it could not be written; None where it was. Not synced: at worst a diagnosis is said twice."""
    fresh = path.with_suffix(".new")
    told = {worker: {"offset": one.offset, "told": list(one.told)} for worker, one in places.items()}
    try:
        fresh.write_text(json.dumps(told))
        fresh.replace(path)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _place(one: Any) -> Place | None:
    offset = one.get("offset") if isinstance(one, dict) else None
    if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
        return None
    place = Place(offset)
    pairs = one.get("told")
    for pair in pairs[-TOLD:] if isinstance(pairs, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair):
            place.tell(*pair)
    return place
