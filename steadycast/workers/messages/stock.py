"""What a worker holds, as it answers `TakeStock`: all that a new control plane needs to go on with it."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.model import EncoderOrder, EncoderReport, Protocol, Rendition, TrackInfo
from steadycast.workers.messages.display import CommandExited, DisplayFailed, ShowDisplay
from steadycast.workers.messages.egress import ConfigureEgress
from steadycast.workers.messages.lobby import ShowSource, SourceFailed, SourceReady


@dataclass(frozen=True, slots=True)
class InstanceStock:
    """An instance of a rendition that is open. `readers` are names of those attached to it; `parked`: its encoder is
    fed nothing."""

    rendition: Rendition
    instance: str
    order: EncoderOrder | None
    track: TrackInfo
    report: EncoderReport | None
    readers: tuple[str, ...] = ()
    parked: bool = False


@dataclass(frozen=True, slots=True)
class LobbyStock:
    """Of a lobby worker. `order` is None for one that was told nothing yet (a spare). Neither `ready` nor `failed`: its
    source does not show yet. `readers` are those of `copy` and `audio`, by track."""

    order: ShowSource | None = None
    ready: SourceReady | None = None
    failed: SourceFailed | None = None
    instances: tuple[InstanceStock, ...] = ()
    readers: dict[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class DisplayStock:
    """Of a display worker. `exited` and `failed`: what was said of its end. `shown_s`: since its command began."""

    order: ShowDisplay | None = None
    display: str | None = None
    xauthority: str | None = None
    exited: CommandExited | None = None
    failed: DisplayFailed | None = None
    shown_s: float = 0.0


@dataclass(frozen=True, slots=True)
class BusStock:
    """A track that is open. `bus` names what it goes on with now (None: it has none), `waiting` one whose keyframe has
    not come yet."""

    track: str
    info: TrackInfo
    epoch: str | None
    bus: str | None
    waiting: str | None = None


@dataclass(frozen=True, slots=True)
class ViewerStock:
    """A viewer. `since` is Unix seconds; `etag` the tag of a WHEP viewer's ICE session; `hold` an RTSP viewer's."""

    viewer: str
    protocol: Protocol
    lobby: str
    tracks: tuple[str, ...]
    since: float
    connected: bool
    remote: str | None = None
    transport: str | None = None
    etag: str | None = None
    hold: str | None = None


@dataclass(frozen=True, slots=True)
class HoldStock:
    """What an RTSP connection described, whether it plays or not: `tracks` are keys."""

    hold: str
    lobby: str
    tracks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EgressStock:
    """Of an egress worker. `order` is None for one that was not configured (a spare)."""

    order: ConfigureEgress | None = None
    udp_port: int | None = None
    draining: bool = False
    buses: tuple[BusStock, ...] = ()
    viewers: tuple[ViewerStock, ...] = ()
    holds: tuple[HoldStock, ...] = ()


Stock = LobbyStock | EgressStock | DisplayStock
