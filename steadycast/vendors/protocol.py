"""What a vendor answers: is it here, which devices, what may encode on them, and what is used now.

A vendor is plain blocking code that may hang or lie: `attendance` calls it off the event loop with a deadline. It opens
no encoder; whether one works is found out by a trial in a throw-away process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from steadycast.model import Codec


class VendorState(StrEnum):
    """How a vendor's last look went. Only devices of one that WORKS are given new work."""

    OFF = "off"  # by the config
    ABSENT = "absent"  # nothing of it on this machine
    WORKS = "works"
    FAILS = "fails"  # it is here and answers with errors
    HUNG = "hung"  # it is here and does not answer


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """One way a device may encode a codec: a row of the table of encoders, and the GStreamer elements to try, the best
    first. `options` are properties that choose the device (`cuda-device-id`)."""

    codec: Codec
    entry: str
    elements: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Device:
    """Something that encodes: a GPU's encoder, or the CPU.

    `id` stays the same over restarts (`nvidia:GPU-6d3f...`, `va:0000:00:02.0`, `software`, `simulated:0`). `pool` names
    what its encoder sessions are counted in: all GeForce cards of a host share `geforce`, any other device has its own
    id. `session_cap` is what the driver's documentation says of the pool (None: no cap is known). `none_because` says
    why it cannot encode at all, `hint` what to do about it.
    """

    id: str
    vendor: str
    name: str
    hardware: bool
    pool: str
    choices: tuple[EncoderChoice, ...] = ()
    driver: str | None = None
    session_cap: int | None = None
    node: str | None = None
    none_because: str | None = None
    hint: str | None = None
    simulated: bool = False
    # `none_because` is a fault that somebody can mend (rights, a lost GPU), not what the chip is.
    broken: bool = False
    # Loading the plugin or opening takes more sessions than one for a moment, so only one is opened at a time.
    opens_alone: bool = False


@dataclass(frozen=True, slots=True)
class OpenSession:
    """An encoder session that a driver shows. `pid` is as this process sees it, None where that is not known."""

    pid: int | None
    name: str | None = None
    codec: Codec | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceFault:
    """Something that the driver reported: an Xid of NVIDIA, say. `fatal`: nothing works on it until it is reset."""

    code: str
    what: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """One measurement of a device; what is not known is None. Bytes; utilisation from 0 to 1.

    `sessions` may be known only as a number (`session_count`). `memory_by_pid` is VRAM. `faults` are new since the last
    look.
    """

    device: str
    sessions: tuple[OpenSession, ...] | None = None
    session_count: int | None = None
    vram_total: int | None = None
    vram_used: int | None = None
    vram_reserved: int | None = None  # kept by the driver for itself, and not in `vram_used`
    bar1_total: int | None = None
    bar1_used: int | None = None
    encoder_utilisation: float | None = None
    gpu_utilisation: float | None = None
    memory_by_pid: Mapping[int, int] | None = None
    busy_by_pid: Mapping[int, tuple[float, float]] | None = None  # of the GPU, of its encoder
    shared_total: int | None = None  # system memory that the device reaches
    shared_used: int | None = None
    faults: tuple[DeviceFault, ...] = ()


@dataclass(frozen=True, slots=True)
class VendorLook:
    """What one look found."""

    devices: tuple[Device, ...]
    uses: tuple[DeviceUse, ...] = ()


@dataclass(frozen=True, slots=True)
class VendorReport:
    """How the last look at a vendor went. `look` is the last one that worked, `at` its time (Unix seconds)."""

    vendor: str
    state: VendorState
    look: VendorLook | None = None
    at: float | None = None
    why: str | None = None
    hint: str | None = None
    took_s: float | None = None


class VendorError(Exception):
    """A vendor is here and cannot answer: what, and what to do."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class Vendor(Protocol):
    """One maker of encoders. Third parties offer theirs by the entry point group `steadycast.vendors`: a callable that
    takes the vendor's table of the config and returns one."""

    @property
    def name(self) -> str:
        """Short, unique, lower case."""

    def look(self) -> VendorLook | None:
        """What is there now; None where nothing of this vendor is on this machine. Blocks. Raises VendorError."""

    def close(self) -> None:
        """Let go of everything."""
