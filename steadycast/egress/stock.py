"""What an egress worker holds, told on request. Times in Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.model import Protocol, TrackInfo


@dataclass(frozen=True, slots=True)
class OpenTrack:
    """A track that is open. `bus` is the name of what it goes on with (None: nothing), `waiting` of one whose keyframe
    has not come. `info` and `epoch` are those of `bus`, or of `waiting` where there is no other."""

    key: str
    info: TrackInfo
    epoch: str | None
    bus: str | None
    waiting: str | None


@dataclass(frozen=True, slots=True)
class Watcher:
    """A viewer of either protocol. `remote` of one that has not connected yet is what its offer said."""

    viewer: str
    protocol: Protocol
    tracks: tuple[str, ...]
    since: float
    connected: bool
    remote: str | None
    transport: str | None
    etag: str | None = None
    hold: str | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """What an RTSP connection keeps open."""

    hold: str
    lobby: str
    tracks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EgressHoldings:
    """All of it at one moment."""

    tracks: tuple[OpenTrack, ...]
    watchers: tuple[Watcher, ...]
    described: tuple[Described, ...]
