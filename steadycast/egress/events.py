"""What the egress tells and asks the world around it. The child's entry point maps this onto messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from steadycast.model import TrackInfo


@dataclass(frozen=True, slots=True)
class DescribedTrack:
    """A track that is open here: `key` is `<lobby id>/<track name>`."""

    key: str
    info: TrackInfo


@dataclass(frozen=True, slots=True)
class Description:
    """What an RTSP path leads to: tracks that are open here and stay open until `hold_gone`."""

    lobby: str
    name: str
    tracks: tuple[DescribedTrack, ...]


@dataclass(frozen=True, slots=True)
class RtspViewer:
    """An RTSP client that began to play. `remote` is `host:port`, `transport` is `udp` or `tcp`."""

    viewer: str
    lobby: str
    tracks: tuple[str, ...]
    remote: str
    transport: str
    hold: str


class EgressEvents(Protocol):
    """Told and asked by the egress, always from its event loop. None of these may block; only `describe` waits."""

    async def describe(self, path: str, hold: str, remote: str) -> Description:
        """The tracks of an RTSP path (no leading slash), kept open for `hold`; raises SteadycastError."""
        ...

    def hold_gone(self, hold: str) -> None:
        """The RTSP connection `hold` ended. Said once for each hold that was described."""
        ...

    def viewer_joined(self, viewer: RtspViewer) -> None: ...

    def viewer_connected(self, viewer: str, remote: str) -> None:
        """A WHEP viewer finished its handshake; `remote` is `host:port`."""
        ...

    def viewer_gone(self, viewer: str, reason: str) -> None:
        """A viewer of either protocol ended, for whatever reason. Said once a viewer."""
        ...

    def keyframe_wanted(self, track: str) -> None:
        """At most twice a second a track."""
        ...

    def bus_taken(self, track: str, bus: str) -> None:
        """A track goes on with this bus, by the name it was opened with."""
        ...

    def bus_lost(self, track: str) -> None:
        """A track has no bus any more; its viewers wait for a new one."""
        ...
