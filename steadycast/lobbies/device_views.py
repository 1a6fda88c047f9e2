"""What is shown of devices, leases and admissions: frozen dataclasses that the API, the page and the metrics read.

Unknown is None, never 0. Times are Unix seconds, memory is in bytes, utilisation is from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from steadycast.leases.decisions import Trail


@dataclass(frozen=True, slots=True)
class SessionView:
    """An encoder session that a driver shows. `lobby` is there where it is one of ours."""

    pid: int | None
    name: str | None
    codec: str | None
    width: int | None
    height: int | None
    lobby: str | None


@dataclass(frozen=True, slots=True)
class BreakerView:
    """Whether a device gets new work: `closed` (yes), `open` (no, tried again at `retry_at`), `trying`, `latched` (a
    person must reset it)."""

    state: str
    failures: int
    trips: int
    why: str | None = None
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class BeliefView:
    """Whether a device encodes a codec, found out by a trial: `works`, `fails`, `untried`, `trying`."""

    codec: str
    state: str
    element: str | None
    why: str | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class RefusalView:
    """The last time a device said no."""

    at: float
    code: str
    what: str


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device with what is lent of it. `sessions_limit_origin` is `configured`, `learned`, `table` or None."""

    id: str
    vendor: str
    name: str
    hardware: bool
    simulated: bool
    driver: str | None
    node: str | None
    state: str  # the vendor's `VendorState`, or `none` where the device cannot encode
    why: str | None
    hint: str | None
    pool: str
    sessions_lent: int
    sessions_seen: int | None
    sessions_foreign: int | None
    sessions_limit: int | None
    sessions_limit_origin: str | None
    foreign: tuple[SessionView, ...]
    vram_total: int | None
    vram_used: int | None
    vram_lent: int | None
    bar1_total: int | None
    bar1_used: int | None
    encoder_utilisation: float | None
    gpu_utilisation: float | None
    beliefs: tuple[BeliefView, ...]
    breaker: BreakerView
    last_refusal: RefusalView | None
    weight: float


@dataclass(frozen=True, slots=True)
class CpuView:
    """What software encoders may use, in H.264 pixels a second, and where the figure comes from (`configured`,
    `measured`, `assumed`). `factors`: how many times as much another codec costs."""

    pixels_per_s: float
    lent: float
    origin: str
    factors: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeaseView:
    """Something that is lent: a quota's part, to whom, since when."""

    quota: str
    amount: float
    holder: str
    lobby: str
    device: str
    since: float


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A place in the line: 1 is next. `promotion`: it encodes in software meanwhile."""

    holder: str
    lobby: str
    position: int
    since: float
    code: str
    why: str
    promotion: bool


@dataclass(frozen=True, slots=True)
class AdmissionView:
    """One decision. `result` is `grant`, `fallback`, `queue`, `deny`, or `promotion` (later, from
    software to hardware); the trail says of each option why not."""

    number: int
    at: float
    holder: str
    lobby: str
    codec: str
    result: str
    device: str | None
    code: str | None
    why: str | None
    trail: Trail


@dataclass(frozen=True, slots=True)
class VendorView:
    """How the last look at a vendor went: `state` is a `VendorState`; one that fails or hangs may show no device."""

    vendor: str
    state: str
    why: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class GpuStatus:
    """The answer of `gpu-status`. The first five names are those that operators' dashboards know."""

    nvenc_sessions_used: int | None
    nvenc_sessions_limit: int | None
    software_mode: bool | None  # at least one rendition is in software though it prefers hardware
    active_lobbies: int
    active_sessions: int
    devices: tuple[DeviceView, ...]
    cpu: CpuView
    waiting: tuple[PlaceView, ...]
    vendors: tuple[VendorView, ...] = ()


@dataclass(frozen=True, slots=True)
class SeatView:
    """Where a rendition encodes. `software_code` and `software_why`: why not in hardware, though that is preferred."""

    device: str
    device_name: str
    hardware: bool
    element: str | None
    memory_planned: str | None
    memory: str | None
    since: float
    software_code: str | None
    software_why: str | None


@dataclass(frozen=True, slots=True)
class EncodersStatistics:
    """Counters since the start of the host; labels are words of the program and the vendors' names."""

    devices: tuple[DeviceView, ...]
    cpu: CpuView
    waiting: int
    admissions_total: dict[tuple[str, str], int]  # (result, code or "ok")
    fallbacks_total: dict[str, int]  # by code
    promotions_total: dict[str, int]  # `done`, `failed`
    encoder_failures_total: dict[str, int]  # by EncoderFault
    copies_total: int
    drift_total: dict[str, int]  # `orphan`, `unseen`
    queue_wait_seconds_total: float
    queue_left_total: dict[str, int]  # `served`, `timeout`, `left`
