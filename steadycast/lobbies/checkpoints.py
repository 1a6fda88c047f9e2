"""Named points in the life of a lobby, and what its worker held at each. Pure: measures in, rows out; bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from steadycast.model import Measures

NEWEST = 64  # that are kept of a lobby, beside the first of each name in the present worker and the largest
EVERY_S = 1.0  # of one name in one lobby: what comes and goes faster is measured once


class Point(StrEnum):
    """Where in its life a lobby was."""

    STARTED = "started"  # its worker was given to it
    SOURCE_OPEN = "source open"  # the source shows
    ENCODER_OPEN = "encoder open"  # its first packet is made: so it was the rendition's first frame, too
    VIEWER_JOINED = "viewer joined"
    VIEWER_LEFT = "viewer left"
    RENDITION_PARKED = "rendition parked"
    RENDITION_CLOSED = "rendition closed"
    SOURCE_CLOSED = "source closed"
    ADOPTED = "adopted"  # by the control plane that measures now
    END = "end"  # its worker is about to end


_OF_RENDITIONS = frozenset({Point.ENCODER_OPEN, Point.RENDITION_PARKED, Point.RENDITION_CLOSED})
Key = tuple[Point, str | None]  # with the rendition, where it is of one

# By the name of the event that marks it.
_POINTS: Mapping[str, Point] = {
    "worker.READY": Point.STARTED,
    "lobby.STREAMING": Point.SOURCE_OPEN,
    "lobby.DEGRADED": Point.SOURCE_CLOSED,
    "lobby.adopted": Point.ADOPTED,
    "rendition.OPEN": Point.ENCODER_OPEN,
    "rendition.IDLE": Point.RENDITION_PARKED,
    "rendition.CLOSED": Point.RENDITION_CLOSED,
    "viewer.joined": Point.VIEWER_JOINED,
    "viewer.gone": Point.VIEWER_LEFT,
    "worker.ENDING": Point.END,
}


def point_of(event: str) -> Point | None:
    """The point that an event marks; None: none."""
    return _POINTS.get(event)


@dataclass(frozen=True, slots=True)
class MemoryCheckpoint:
    """A lobby worker at one point, measured from outside. Bytes; unknown is None, and `why` says why.

    `about` is the rendition or the number of viewers; `objects` are live GStreamer objects, as of the last quiet count.
    `d_pss`, `d_private_dirty`, `d_vram`, `d_descriptors` are what is more than at the worker's first checkpoint.
    """

    name: Point
    at: float
    worker: str
    pid: int
    about: str | None = None
    pss: int | None = None
    private_dirty: int | None = None
    vram: int | None = None
    descriptors: int | None = None
    objects: int | None = None
    d_pss: int | None = None
    d_private_dirty: int | None = None
    d_vram: int | None = None
    d_descriptors: int | None = None
    why: str | None = None


class Checkpoints:
    """Of one lobby."""

    def __init__(self) -> None:
        self._first: dict[Key, MemoryCheckpoint] = {}  # of the worker of now
        self._newest: deque[MemoryCheckpoint] = deque(maxlen=NEWEST)
        self._largest: MemoryCheckpoint | None = None
        self._base: MemoryCheckpoint | None = None
        self.taken = 0

    def wants(self, name: Point, worker: str, at: float, about: str | None = None) -> bool:
        """Whether one more of this name is worth measuring."""
        key = _key(name, about)
        if self._base is None or self._base.worker != worker or key not in self._first:
            return True
        last = next((one for one in reversed(self._newest) if _key(one.name, one.about) == key), None)
        return last is None or at - last.at >= EVERY_S

    def add(self, name: Point, who: tuple[str, int], at: float, found: Measures | None, about: str | None) -> None:
        """`who`: the worker's id and pid; `found` None: it could not be measured."""
        worker, pid = who
        if self._base is None or (self._base.worker != worker and name is not Point.END):
            self._base, self._first = None, {}
        one = _checkpoint(name, (worker, pid), at, found, about)
        if self._base is None:
            self._base = one if one.pss is not None else None
        base = self._base if self._base is not None and self._base.worker == worker else None
        one = _compared(one, base)
        self.taken += 1
        if len(self._first) < NEWEST:
            self._first.setdefault(_key(name, about), one)
        self._newest.append(one)
        if one.pss is not None and (self._largest is None or one.pss > (self._largest.pss or 0)):
            self._largest = one

    @property
    def baseline(self) -> MemoryCheckpoint | None:
        """The first of the worker of now."""
        return self._base

    @property
    def largest(self) -> MemoryCheckpoint | None:
        """Of all workers that the lobby had."""
        return self._largest

    def all(self) -> tuple[MemoryCheckpoint, ...]:
        """Those that are kept, in the order of time."""
        kept = {id(one): one for one in (*self._first.values(), *self._newest)}
        if self._largest is not None:
            kept[id(self._largest)] = self._largest
        return tuple(sorted(kept.values(), key=lambda one: one.at))


def _key(name: Point, about: str | None) -> Key:
    return name, about if name in _OF_RENDITIONS else None


def _checkpoint(
    name: Point, who: tuple[str, int], at: float, found: Measures | None, about: str | None
) -> MemoryCheckpoint:
    worker, pid = who
    if found is None:
        return MemoryCheckpoint(name, at, worker, pid, about, why="it could not be measured in time")
    return MemoryCheckpoint(
        name,
        at,
        worker,
        pid,
        about,
        pss=found.pss,
        private_dirty=found.private_dirty,
        vram=found.vram,
        descriptors=None if found.descriptors is None else sum(found.descriptors.values()),
        objects=None if found.objects is None else sum(found.objects.values()),
        why=None if found.pss is not None else "the process was gone, or may not be looked at",
    )


def _compared(one: MemoryCheckpoint, base: MemoryCheckpoint | None) -> MemoryCheckpoint:
    if base is None:
        return one
    more: dict[str, Any] = {}
    for name in ("pss", "private_dirty", "vram", "descriptors"):
        now, before = getattr(one, name), getattr(base, name)
        more[f"d_{name}"] = None if now is None or before is None else now - before
    return replace(one, **more)
