"""Who hears what egress workers say, and how their messages become calls."""

from __future__ import annotations

from typing import Any, Protocol

from steadycast.lobbies.egress import Egress
from steadycast.workers.messages import (
    BusLost,
    BusTaken,
    KeyframeWanted,
    RtspDescribe,
    RtspGone,
    ViewerConnected,
    ViewerGone,
    ViewerJoined,
)


class EgressListener(Protocol):
    """Who hears what egress workers say. `describe` and `end_viewers` may wait; nothing else blocks."""

    async def describe(self, egress: Egress, message: RtspDescribe) -> dict[str, Any]:
        """An RTSP client wants a path."""

    def hold_gone(self, egress: Egress, hold: str) -> None:
        """An RTSP connection is gone."""

    def joined(self, egress: Egress, message: ViewerJoined) -> None:
        """An RTSP client plays."""

    def connected(self, message: ViewerConnected) -> None:
        """A WHEP viewer finished its handshake."""

    def viewer_gone(self, message: ViewerGone) -> None:
        """A viewer ended."""

    def keyframe_wanted(self, track: str) -> None:
        """A viewer of this track needs a keyframe."""

    def bus_taken(self, track: str, bus: str) -> None:
        """A track goes on with this bus."""

    def bus_lost(self, egress: Egress, track: str) -> None:
        """A track has no bus any more."""

    async def end_viewers(self, egress: Egress, reason: str) -> None:
        """End all viewers of this worker, which is about to end. Raises nothing."""

    def egress_gone(self, egress: Egress, why: str) -> None:
        """The worker is gone, and all its viewers and buses with it."""


def pass_on(listener: EgressListener, egress: Egress, message: Any) -> None:
    """Tell the listener what a worker said."""
    match message:
        case KeyframeWanted():
            listener.keyframe_wanted(message.track)
        case BusTaken():
            listener.bus_taken(message.track, message.bus)
        case BusLost():
            listener.bus_lost(egress, message.track)
        case RtspGone():
            listener.hold_gone(egress, message.hold)
        case ViewerJoined():
            listener.joined(egress, message)
        case ViewerConnected():
            listener.connected(message)
        case ViewerGone():
            listener.viewer_gone(message)
