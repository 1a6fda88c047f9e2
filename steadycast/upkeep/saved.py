"""What was learned, in a file: written as a whole, so that a kill leaves the one before."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Saved:
    """`detection` as `Detection.saved`, `finished` as `Tallies.saved`."""

    detection: Mapping[str, Any] = field(default_factory=dict)
    finished: Mapping[str, Any] = field(default_factory=dict)


def load(path: Path) -> Saved:
    """What was stored there; nothing where there is none, or what is there was not written here."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return Saved()
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return Saved()
    if not isinstance(told, dict):
        return Saved()
    parts = (told.get("detection"), told.get("finished"))
    return Saved(*(part if isinstance(part, dict) else {} for part in parts))


def store(path: Path, saved: Saved) -> str | None:
    """Answers with why it could not be written; None where it was."""
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("w") as file:
            json.dump({"detection": saved.detection, "finished": saved.finished}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        return error.strerror or str(error)
    return None
