"""What is shown of lobbies, viewers and events: frozen dataclasses that the API, the page and the metrics read.

Credentials are masked before anything comes here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from steadycast.lifecycle import RenditionState, ViewerState
from steadycast.lobbies.device_views import PlaceView, SeatView
from steadycast.lobbies.receipt_counts import ReceiptStatistics
from steadycast.model import EncodePolicy, LobbyState, Protocol, Receipt, RecycleCause, Rendition, TrackInfo
from steadycast.pipelines.in_force import StreamParameters

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BitrateView:
    """Of a rendition whose bitrate was set while it played, kbit/s: `asked` now (None: its own), `in_force` as its
    encoder tells, `why` it is not its own, `fixed` why its encoder takes no other one while it plays."""

    asked: int | None
    in_force: int | None
    why: str | None
    fixed: str | None


@dataclass(frozen=True, slots=True)
class RawFramesView:
    """Raw frames in front of an encoder since it was opened: those that `came`, those that were `dropped` because it is
    slow; memory that was `created` for them, and how often it was `reused`."""

    came: int
    dropped: int
    created: int
    reused: int


@dataclass(frozen=True, slots=True)
class RenditionView:
    """A rendition as declared, and what it is now. `running` renditions have `track`; times are Unix seconds."""

    name: str
    declared: Rendition | None  # None: made by the host (`copy`, `main`)
    running: bool
    viewers: int
    track: TrackInfo | None
    closes_at: float | None  # when it ends if no viewer comes
    seat: SeatView | None = None  # where it encodes
    place: PlaceView | None = None  # where it stands in the line for hardware
    state: RenditionState | None = None  # None: not in use
    bitrate: BitrateView | None = None  # None: nothing was asked of an encoder but the rendition's own
    in_force: StreamParameters | None = None  # what its stream says of itself
    raw: RawFramesView | None = None  # None: nothing is encoded, or it was not told yet
    over_budget: bool = False  # its reference frames take more than they may


@dataclass(frozen=True, slots=True)
class PushView:
    """How a lobby does that a program pushes pictures into, by its worker's last sign of life. Totals count since that
    worker began.

    `address`: the socket that producers on this machine connect to. `producer`: the process that is connected, None
    where none is; `since` when it came or went (Unix seconds; None: none came yet), `quiet_s` without a picture from
    it, and `says` so in words. Pictures:
    `shown`, of these `copied` once more than need be; the last one `repeated`; `dropped` by the producer because no
    buffer was free; `refused` by why, the latest in words; `waiting` for their time. `lent` of `buffers` are in use,
    `kept` wait for the next producer; `bytes` of memory are that at most.
    """

    address: str
    producer: int | None
    since: float | None
    quiet_s: float | None
    says: str
    shown: int
    copied: int
    repeated: int
    dropped: int
    refused: dict[str, int]
    last_refusal: str | None
    waiting: int
    producers: int
    buffers: int
    lent: int
    kept: int
    bytes: int


@dataclass(frozen=True, slots=True)
class LobbyView:
    """A lobby as seen from outside. `why` says in the words of the source why it is not STREAMING."""

    id: str
    key: str | None
    name: str
    state: LobbyState
    since: float
    created: float
    why: str | None
    hint: str | None
    code: str | None
    retry_at: float | None
    source: dict[str, Any]  # the request's source, credentials masked
    renditions: tuple[RenditionView, ...]
    audio: bool
    viewers: int
    workers: tuple[int, ...]  # pids
    restarts: int
    whep: str  # path, `/whep/{id}`
    rtsp: str  # path, `/{id}`
    policy: EncodePolicy = field(
        default_factory=EncodePolicy
    )  # how it is encoded, the settings filled in; `device` where it is pinned
    recycles: int = 0  # workers that were replaced because somebody or a limit said so
    crashes: int = 0  # workers that were lost
    generation: int = 0  # workers that showed it, the present one included
    worker_since: float | None = None  # when the present lobby worker was started
    push: PushView | None = None  # of a source of this kind, once its worker told


@dataclass(frozen=True, slots=True)
class ViewerView:
    """A viewer as seen from outside."""

    id: str
    lobby: str
    rendition: str
    protocol: Protocol
    state: ViewerState
    remote: str | None
    transport: str | None
    since: float
    statistics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deleted:
    """The answer of a delete: everything of the lobby is gone, and this was measured. `stored`: a host that dies now
    does not bring it back; else `note` says why it may."""

    lobby: str
    state: LobbyState  # DESTROYED or CLEANUP_INCOMPLETE
    receipts: tuple[Receipt, ...]
    stored: bool = True
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Recycled:
    """A lobby's worker was replaced by another one, and is gone. `why` says why it was not made before break; of one
    that did not stream `old_worker` and `receipt` are None: it was tried again."""

    lobby: str
    cause: RecycleCause
    took_s: float
    made_before_break: bool
    why: str | None
    old_worker: str | None
    new_worker: str | None
    receipt: Receipt | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A lobby as it is after a change, and what was done to get there, in words for a person."""

    lobby: LobbyView
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `id` rises by one; `kind` is `lobby`, `rendition`, `viewer`, `worker`, `receipt`,
    `encoder` or `host`. Moves of a life have `took_s` in `data`: seconds in the state before."""

    id: int
    at: float
    kind: str
    name: str  # `lobby.STREAMING`, `viewer.joined`, `viewer.gone`, `worker.died`, `receipt`, ...
    lobby: str | None
    viewer: str | None = None
    why: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. `next` is what to pass as `after` for the next part; None: this was the last."""

    items: tuple[T, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class WhepSession:
    """A WHEP viewer that was answered: SDP to send back, and the entity tag of its ICE session (RFC 9725 4.3.1)."""

    viewer: str
    answer: str
    etag: str


@dataclass(frozen=True, slots=True)
class WhepPatched:
    """What a PATCH led to: `fragment` is an ICE restart's answer with a new `etag`; None: candidates were taken."""

    fragment: str | None
    etag: str


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker that runs now. `statistics` came with its last heartbeat."""

    id: str
    kind: str
    pid: int
    lobby: str | None
    since: float
    statistics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EgressCounts:
    """Egress workers: `running` take viewers, `draining` only keep theirs, `spares` have no order. `recycled` counts
    those that were replaced since the start, by cause."""

    running: int = 0
    draining: int = 0
    spares: int = 0
    recycled: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LobbiesStatistics:
    """Counters of the room, read by API, page, metrics and leak checks. Totals count since the start of the host."""

    lobbies: dict[str, int]  # by state
    viewers: dict[str, int]  # by protocol
    renditions_running: int
    workers: tuple[WorkerView, ...]
    restarts_total: int
    recycles_total: dict[tuple[str, str], int]  # by cause and outcome: `seamless`, `paused`, `failed`, `drained`
    viewers_total: int
    refused_total: dict[str, int]  # by error code, a closed set
    receipts_total: dict[str, int]  # of workers: `clean`, `unclean`
    events_total: int
    event_subscribers: int
    event_subscribers_dropped_total: int
    receipts: ReceiptStatistics = field(default_factory=ReceiptStatistics)  # of workers, renditions and viewers
    latched: tuple[str, ...] = ()  # lobbies that were started again too often and wait for a person; not all where many
    egress: EgressCounts = field(default_factory=EgressCounts)
    workers_died_total: int = 0  # by themselves, whatever they were for
    removals_waiting: int = 0  # deleted lobbies that are still in the store, because it fails
    bitrate_changes_total: dict[str, int] = field(default_factory=dict)  # for viewers' ways: `down`, `up`
    renditions_over_budget: int = 0  # keep more reference frames than they may
    viewers_turned_total: dict[str, int] = field(default_factory=dict)  # to a smaller rendition (`down`), and back
    renditions_limited: int = 0  # made with less than their own bitrate now
