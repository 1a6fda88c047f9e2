"""Whether what a worker is there for moves, judged from its heartbeats. Pure: time is an argument, monotonic seconds.

A heartbeat proves that the worker's event loop answers, and of an egress or display worker no more is asked. A lobby
worker that shows must also pass frames: its source must go on, and each picture track that somebody reads must make
packets while the source does.

This is the second watch. The worker itself says that its source is lost (`SourceFailed`) or that an encoder makes
nothing (`RenditionFailed`), each after a patience that it tells here; only one that does not come to say so is judged.

Standing still is counted from heartbeat to heartbeat, each at most a part of the patience. So a machine that slept, a
control plane that was late or a worker that was stopped for a while adds little, and no verdict rests on few looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SOURCE_FRAMES = 5  # that the source must have made before a track is blamed for making nothing of them
LOOKS = 4  # heartbeats at least, before a verdict
SOURCE = "source"


class Motion(StrEnum):
    """What was found."""

    MOVING = "moving"
    IDLE = "idle"  # there is nothing that should move
    STALLED = "stalled"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`which` stands still, a track by its name or `source`, and since when."""

    motion: Motion
    which: str | None = None
    since: float | None = None


IDLE = Verdict(Motion.IDLE)
MOVING = Verdict(Motion.MOVING)


@dataclass(slots=True)
class _Mark:
    """How far something had come when it last moved, how far the source was then, and for how long it has not."""

    count: int
    source: int
    since: float
    still_s: float = 0.0


class Pulse:
    """One worker's. `stall_s` is what the settings give it beyond the patience that it tells itself."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._marks: dict[str, _Mark] = {}
        self._last: float | None = None

    def stands_still(self, statistics: Mapping[str, Any], now: float) -> str | None:
        """As `beat`, in words for the cause of an end; None where nothing stands still."""
        found = self.beat(statistics, now)
        if found.motion is not Motion.STALLED or found.since is None:
            return None
        return f"stands still: {found.which}, for {now - found.since:.0f} s"

    def beat(self, statistics: Mapping[str, Any], now: float) -> Verdict:
        """A heartbeat came with these statistics. What is missing in them, or odd, is not held against the worker."""
        passed = 0.0 if self._last is None else max(0.0, now - self._last)
        self._last = now
        source = _table(statistics.get("source"))
        frames = _count(source.get("frames"))
        if not frames or source.get("failed"):
            self._marks.clear()
            return IDLE
        step = min(passed, self._stall_s / LOOKS)
        verdict = self._look(SOURCE, frames, frames, now, step, self._stall_s + _seconds(source.get("patience_s")))
        watched = {SOURCE}
        for name, told in _table(statistics.get("tracks")).items():
            track = _table(told)
            made = _count(track.get("bytes_made"))
            if made is None or track.get("frames") is None:  # sound may be silent, or end before the picture does
                continue
            watched.add(name)
            if not track.get("readers"):  # nobody misses what it does not make
                self._marks.pop(name, None)
                continue
            patience = self._stall_s + _seconds(track.get("patience_s"))
            found = self._look(name, made, frames, now, step, patience)
            verdict = verdict if verdict.motion is Motion.STALLED else found
        self._marks = {name: mark for name, mark in self._marks.items() if name in watched}
        return verdict

    def _look(self, name: str, count: int, source: int, now: float, step: float, patience_s: float) -> Verdict:
        mark = self._marks.get(name)
        if mark is None or count != mark.count:
            self._marks[name] = _Mark(count, source, now)
            return MOVING
        mark.still_s += step
        blamed = name == SOURCE or source - mark.source >= SOURCE_FRAMES
        if not blamed or mark.still_s < patience_s:
            return MOVING
        return Verdict(Motion.STALLED, name, mark.since)


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0
