"""What admission is asked, what it looks at, and what it answers. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from steadycast.model import Codec, HardwareUse, WhenFull


class Denial(StrEnum):
    """Why something is not given: the same word in decisions, errors, metrics, events and on the page."""

    ENCODER_SESSIONS = "encoder_sessions"  # all sessions of the pool are lent, or held by other programs
    VRAM = "vram"  # too little video memory (or BAR1)
    CPU_BUDGET = "cpu_budget"  # software encoders use all they may
    GPU_QUARANTINED = "gpu_quarantined"  # the breaker is open, or the driver does not answer
    DRIVER_REFUSED = "driver_refused"  # a device said no to this very request, and nothing above explains it
    NO_ENCODER = "no_encoder"  # nothing here encodes this codec as the policy asks
    DESCRIPTORS = "descriptors"
    MEMORY = "memory"  # too little main memory for a software encoder
    VIEWERS = "viewers"
    QUEUE_FULL = "queue_full"
    QUEUE_TIMEOUT = "queue_timeout"


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """Somebody wants one encoding. `holder` is `<lobby>/<track>`. Times are seconds of one clock that does not go back.

    `since` is when it was first asked and decides the order in the line. `refused` are devices that refused or failed
    it already. `device` pins it.
    """

    holder: str
    codec: Codec
    width: int
    height: int
    fps: float
    since: float
    hardware: HardwareUse = HardwareUse.PREFER
    when_full: WhenFull = WhenFull.FALLBACK
    priority: int = 50
    device: str | None = None
    refused: frozenset[str] = frozenset()
    descriptors_free: int | None = None  # in the process that would open it
    memory_free: int | None = None  # bytes of the machine, or of the host's control group, the reserve taken off
    memory_seen: int | None = None  # that encoders in software of its kind took; None: too few were seen
    references: int = 1
    kbps: int = 0  # of the stream it is to make; 0: not known

    @property
    def pixels_per_s(self) -> float:
        """What it costs, before the codec's factor."""
        return self.width * self.height * self.fps


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A device as admission sees it; unknown is None.

    `codecs`: believed, because a trial encoded with it. `doubts`: why another codec is not (untried, or how its trial
    failed). `refused_because`: it failed this very request, and not for want of a session or of memory.
    `quarantined` says why it gets no new work. `sessions_free` counts what is not lent and not held by others;
    None: its pool has no known cap. `load` is what it does now, in pixels a second.
    """

    id: str
    name: str
    hardware: bool
    pool: str
    codecs: frozenset[Codec]
    doubts: Mapping[Codec, str] = field(default_factory=dict)
    none_because: str | None = None
    quarantined: str | None = None
    sessions_free: int | None = None
    sessions_limit: int | None = None
    sessions_foreign: int | None = None
    vram_free: int | None = None  # bytes, the reserve taken off; None: it has none of its own, or it is not known
    bar1_free: int | None = None
    weight: float = 1.0
    load: float = 0.0
    refused_because: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything admission looks at. CPU figures are H.264 pixels a second; `cpu_factors` say how many times as much
    another codec costs. `ahead` are requests in the line that would be served before this one; `ahead_in` says for a
    pool how many of them could use it (a pool that is not named: all of them). `line_full`: it would find no place
    there, which is never so for one that has a place."""

    devices: tuple[DeviceFacts, ...]
    cpu_free: float
    cpu_total: float
    cpu_factors: Mapping[Codec, float]
    software_codecs: frozenset[Codec]
    ahead: int = 0
    line_full: bool = False
    parked: Mapping[str, int] = field(default_factory=dict)  # idle encoders by device that could be given up
    descriptors_reserve: int = 64
    ahead_in: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One option that was looked at: `code` is `ok` or a `Denial`, `why` is for a person and was true then."""

    option: str
    code: str
    why: str


Trail = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """This device (hardware, or software that the policy asked for). `takes`: what is reserved, by quota.

    `gives_up`: devices with an idle encoder, one of which has to be closed first; empty: nothing is in the way.
    """

    device: str
    takes: Mapping[str, float]
    trail: Trail = ()
    gives_up: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fallback:
    """Software, though hardware is preferred: why. `no_hardware`: nothing here is made for it, so nothing is amiss."""

    device: str
    takes: Mapping[str, float]
    code: Denial
    why: str
    trail: Trail = ()
    no_hardware: bool = False


@dataclass(frozen=True, slots=True)
class Queue:
    """Wait: so many are before it."""

    ahead: int
    code: Denial
    why: str
    trail: Trail = ()


@dataclass(frozen=True, slots=True)
class Deny:
    """No: why, what to do, and when to ask again (seconds; None: asking again is no help)."""

    code: Denial
    why: str
    hint: str
    retry_after: float | None
    trail: Trail = ()


Decision = Grant | Fallback | Queue | Deny
