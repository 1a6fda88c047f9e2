"""What is measured again and again of whom: names of resources, one look at one owner, and what it was doing then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Unit(StrEnum):
    """What a value is counted in."""

    BYTES = "bytes"
    COUNT = "count"
    RATIO = "ratio"  # 0 to 1


class Resource(StrEnum):
    """One kind of thing that a process, a device or a host may hold too much of.

    A `detail` beside it splits it further: descriptors by kind, threads and children by name, objects by type, GPU
    memory by device.
    """

    PRIVATE = "memory.private"  # private dirty and swapped: nobody else has these pages
    PSS = "memory.pss"
    USS = "memory.uss"  # private clean and dirty
    RSS = "memory.rss"
    IN_USE = "allocator.in_use"  # handed out by malloc and not freed
    RETAINED = "allocator.retained"  # freed, kept by malloc
    PYTHON = "python.blocks"
    DESCRIPTORS = "descriptors"
    THREADS = "threads"
    CHILDREN = "children"
    ZOMBIES = "zombies"
    OBJECTS = "objects"  # live GStreamer objects
    SOCKETS = "sockets"
    FILES = "files"  # that nobody accounts for, in folders of this owner
    DISPLAYS = "displays"
    DMABUF = "dmabuf"  # each buffer once, by inode
    MEMFD = "memfd"  # bytes of files without a name in memory, each once
    VRAM = "gpu.memory"  # of one process, or of a whole device
    SHARED_VRAM = "gpu.shared"  # system memory that a GPU may reach: GTT, system regions
    BAR1 = "gpu.bar1"
    ENCODER_SESSIONS = "gpu.encoder_sessions"
    GPU_BUSY = "gpu.busy"
    ENCODER_BUSY = "gpu.encoder_busy"
    CGROUP = "cgroup.memory"  # without page cache that can be dropped
    PRESSURE = "pressure.memory"  # PSI, some, 10 s
    HANDLES = "handles"  # Windows handles, Mach ports
    POOL = "pool"
    QUEUE = "queue"
    OTHER = "other"  # of a table that somebody else wrote


_COUNTS = frozenset({
    Resource.PYTHON, Resource.DESCRIPTORS, Resource.THREADS, Resource.CHILDREN, Resource.ZOMBIES, Resource.OBJECTS,
    Resource.SOCKETS, Resource.FILES, Resource.DISPLAYS, Resource.ENCODER_SESSIONS, Resource.HANDLES, Resource.POOL,
    Resource.QUEUE,
})  # fmt: skip
_RATIOS = frozenset({Resource.GPU_BUSY, Resource.ENCODER_BUSY, Resource.PRESSURE})


def unit_of(resource: Resource) -> Unit:
    """Counts are judged exactly, bytes with intervals, ratios not at all: they end by themselves."""
    if resource in _COUNTS:
        return Unit.COUNT
    return Unit.RATIO if resource in _RATIOS else Unit.BYTES


class Measured(NamedTuple):
    """What a series is of, beside its owner. A tuple: it is the key of every value there is.

    The detail "" is all of a resource; other details are parts of that.
    """

    resource: Resource
    detail: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """What is known of an owner, so that a finding can say whom it meets. None: not known, or nothing of the kind."""

    lobby: str | None = None
    source: str | None = None  # its kind
    codec: str | None = None
    device: str | None = None
    command: str | None = None  # masked and cut


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds what is measured. A `role` outlives its processes (`lobby:ab12`, `egress`, `server/ffmpeg`).

    One that is started again under the same role goes on in the same series as another `epoch`, which is no drop and no
    growth. `epoch` names one life: `<pid>:<start time>`; `pid` is None for a device, a cgroup or a host.
    """

    role: str
    epoch: str
    pid: int | None = None
    about: About = About()


@dataclass(frozen=True, slots=True)
class Look:
    """One owner at one moment.

    `monotonic` (seconds) orders looks and measures time between them; `at` (Unix seconds) is told to people and may
    jump. `values` are what was read; `unknown` says what could not be told, and why: never 0, never left out silently.

    `load` is what the owner worked on then (`sessions`, `viewers`, `bitrate`, ...), at most LOADS names. `finished`
    counts things that came and went in this epoch (`viewer`, `rendition`, `lobby`, `session`, ...), at most CYCLES
    kinds. `quiet` is True where nothing came or went for long enough that what ended had time to be given back.
    """

    owner: Owner
    at: float
    monotonic: float
    values: Mapping[Measured, float]
    unknown: Mapping[Resource, str] = field(default_factory=dict)
    load: Mapping[str, float] = field(default_factory=dict)
    finished: Mapping[str, int] = field(default_factory=dict)
    quiet: bool = False


LOADS = 4
CYCLES = 4


@dataclass(frozen=True, slots=True)
class Bound:
    """The true limit of something an owner uses: at `limit` it ends (RLIMIT_NOFILE, memory.max, VRAM, RAM).

    `used` is what counts against it now, which may be more than the owner's own (VRAM of the whole device)."""

    name: str
    measured: Measured
    limit: float
    used: float
