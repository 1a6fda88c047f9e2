"""Named points in the life of a lobby, and what its worker held at each. Pure: measures in, rows out; bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from steadycast.model import Measures

NEWEST = 64  # that are kept of a lobby, beside the first of each name in a worker, and the largest
WORKERS = 2  # that have a baseline: while one takes over, both are measured
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

    `about` is the rendition or the viewer; `objects` are live GStreamer objects, as of the last quiet count.
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


@dataclass(slots=True)
class _Life:
    """Of one worker: what it is compared with, and the first of each name."""

    base: MemoryCheckpoint | None = None
    first: dict[Key, MemoryCheckpoint] = field(default_factory=dict)


class Checkpoints:
    """Of one lobby."""

    def __init__(self) -> None:
        self._lives: dict[str, _Life] = {}  # by worker, the newest last
        self._newest: deque[MemoryCheckpoint] = deque(maxlen=NEWEST)
        self._largest: MemoryCheckpoint | None = None
        self.taken = 0

    def wants(self, name: Point, worker: str, at: float, about: str | None = None) -> bool:
        """Whether one more of this name is worth measuring."""
        key, life = _key(name, about), self._lives.get(worker)
        if life is None or key not in life.first:
            return True
        last = next((one for one in reversed(self._newest) if _key(one.name, one.about) == key), None)
        return last is None or at - last.at >= EVERY_S

    def add(self, name: Point, who: tuple[str, int], at: float, found: Measures | None, about: str | None) -> None:
        """`who`: the worker's id and pid; `found` None: it could not be measured."""
        life = self._lives.setdefault(who[0], _Life())
        while len(self._lives) > WORKERS:
            del self._lives[next(iter(self._lives))]
        one = _checkpoint(name, who, at, found, about)
        if life.base is None and one.pss is not None:
            life.base = one
        one = _compared(one, life.base)
        self.taken += 1
        if len(life.first) < NEWEST:
            life.first.setdefault(_key(name, about), one)
        self._newest.append(one)
        if one.pss is not None and (self._largest is None or one.pss > (self._largest.pss or 0)):
            self._largest = one

    @property
    def baseline(self) -> MemoryCheckpoint | None:
        """The first of the newest worker."""
        return next(reversed(self._lives.values())).base if self._lives else None

    @property
    def largest(self) -> MemoryCheckpoint | None:
        """Of all workers that the lobby had."""
        return self._largest

    def all(self) -> tuple[MemoryCheckpoint, ...]:
        """Those that are kept, in the order of time."""
        first = (one for life in self._lives.values() for one in life.first.values())
        kept = {id(one): one for one in (*first, *self._newest)}
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
