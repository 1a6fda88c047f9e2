"""All tracks of an egress worker, their buses, and who gets their frames."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from steadycast.egress.core.frame import Frame
from steadycast.egress.core.track import Track
from steadycast.model import TrackInfo


class Subscriber(Protocol):
    """Somebody who gets the frames of a track. Both are called from the event loop and must not block."""

    def deliver(self, track: Track, frame: Frame, now: float) -> None:
        """A new frame. `now` is the loop's time (monotonic). Raising ends the subscription."""
        ...

    def track_closed(self, track: Track, reason: str) -> None:
        """The track is gone; the subscription ended."""
        ...


@dataclass(frozen=True, slots=True)
class TrackStatistics:
    """Counters of one track since it was opened. `gaps` are holes in a bus, `switches` changes of bus."""

    key: str
    subscribers: int
    frames: int
    keyframes: int
    packets: int
    bytes: int
    gaps: int
    dropped_packets: int
    switches: int
    buses: int
    history_bytes: int
    gop_bytes: int
    keyframe_requests: int


@dataclass(frozen=True, slots=True)
class FanoutStatistics:
    tracks: tuple[TrackStatistics, ...]
    buses: int
    subscribers: int
    failures: int  # subscribers that raised and were cut off


class Fanout:
    """Tracks by key. Times are the running loop's `time()`."""

    def __init__(
        self,
        history_bytes: int,
        gop_bytes: int,
        on_keyframe_wanted: Callable[[str], None],
        on_bus_lost: Callable[[str], None],
    ) -> None:
        raise NotImplementedError

    def open_bus(self, key: str, epoch: str, info: TrackInfo, sock: socket.socket) -> None:
        """Read a track from `sock` (taken over). A track that is open switches to it at its first keyframe."""
        raise NotImplementedError

    def close_track(self, key: str, reason: str = "the track was closed") -> None:
        """Forget a track: its buses are closed, its subscribers told. Unknown keys are no error."""
        raise NotImplementedError

    def track(self, key: str) -> Track | None:
        raise NotImplementedError

    def subscribe(self, key: str, subscriber: Subscriber) -> Track:
        """Give the track's frames to `subscriber` from now on; raises NotFoundError (`track.unknown`)."""
        raise NotImplementedError

    def unsubscribe(self, key: str, subscriber: Subscriber) -> None:
        """Stop; not subscribed is no error. Allowed from within `deliver`."""
        raise NotImplementedError

    def want_keyframe(self, key: str) -> None:
        """A viewer of the track needs a keyframe; coalesced to two requests a second."""
        raise NotImplementedError

    def statistics(self) -> FanoutStatistics:
        raise NotImplementedError

    def close(self) -> None:
        """Close all tracks."""
        raise NotImplementedError
