"""All tracks of an egress worker: opened by key, watched by subscribers."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

from steadycast.egress.core.timeline import Timeline
from steadycast.egress.core.track import Track, TrackCounters
from steadycast.egress.outflow import Outflow, Subscriber
from steadycast.egress.stock import OpenTrack
from steadycast.errors import ConflictError, NotFoundError
from steadycast.model import TrackInfo

__all__ = ["Fanout", "FanoutStatistics", "Subscriber", "TrackStatistics"]


@dataclass(frozen=True, slots=True)
class TrackStatistics:
    """One track as it is now."""

    key: str
    subscribers: int
    buses: int
    keyframe_requests: int
    counters: TrackCounters


@dataclass(frozen=True, slots=True)
class FanoutStatistics:
    """`failures` are subscribers that raised and were cut off, since the start."""

    tracks: tuple[TrackStatistics, ...]
    buses: int
    subscribers: int
    failures: int


class Fanout:
    """Tracks by key (`<lobby id>/<track name>`). Times are the running loop's `time()`; sizes in bytes, a track."""

    def __init__(
        self,
        history_bytes: int,
        gop_bytes: int,
        on_keyframe_wanted: Callable[[str], None],
        on_bus_lost: Callable[[str], None],
        on_bus_taken: Callable[[str, str], None] = lambda key, bus: None,
    ) -> None:
        self._history_bytes = history_bytes
        self._gop_bytes = gop_bytes
        self._on_keyframe_wanted = on_keyframe_wanted
        self._on_bus_lost = on_bus_lost
        self._on_bus_taken = on_bus_taken
        self._flows: dict[str, Outflow] = {}
        # One axis of time for each lobby, for as long as one of its tracks is open.
        self._timelines: WeakValueDictionary[str, Timeline] = WeakValueDictionary()
        self._wall_offset = time.time() - asyncio.get_running_loop().time()
        self._failures = 0  # of tracks that are closed

    def open_bus(self, key: str, epoch: str, info: TrackInfo, sock: socket.socket, bus: str = "") -> None:
        """Read a track from `sock`, which is taken over. A track that is open switches to it at its first keyframe.

        `on_bus_taken` is called with the key and `bus` when the track goes on with it.

        Raises ConflictError (`track.codec_changed`) if the open track has another codec; `sock` is closed then.
        """
        flow = self._flows.get(key) or self._open(key, info)
        try:
            flow.open_bus(epoch, info, sock, bus)
        except ValueError as error:
            sock.close()
            raise ConflictError(
                "track.codec_changed",
                f"Track {key} cannot go on with another codec.",
                why=str(error),
                hint="Close the track, and open it anew.",
            ) from error

    def close_track(self, key: str, reason: str = "the track was closed") -> None:
        """Forget a track: its buses are closed, its subscribers told. Unknown keys are no error."""
        flow = self._flows.pop(key, None)
        if flow is not None:
            flow.close(reason)
            self._failures += flow.failures

    def track(self, key: str) -> Track | None:
        """The track, if it is open."""
        flow = self._flows.get(key)
        return None if flow is None else flow.track

    def subscribe(self, key: str, subscriber: Subscriber) -> Track:
        """Give the track's frames to `subscriber` from now on; raises NotFoundError (`track.unknown`)."""
        flow = self._flows.get(key)
        if flow is None:
            raise NotFoundError("track.unknown", f"Track {key} is not open here.", why="Its lobby may have ended.")
        flow.subscribe(subscriber)
        return flow.track

    def unsubscribe(self, key: str, subscriber: Subscriber) -> None:
        """Stop; not subscribed is no error. Allowed from within `deliver`."""
        flow = self._flows.get(key)
        if flow is not None:
            flow.subscribers.pop(subscriber, None)

    def want_keyframe(self, key: str) -> None:
        """A viewer of the track needs a keyframe; coalesced to two requests a second."""
        flow = self._flows.get(key)
        if flow is not None:
            flow.want_keyframe()

    def statistics(self) -> FanoutStatistics:
        """Everything that is held and was counted."""
        flows = self._flows.items()
        return FanoutStatistics(
            tracks=tuple(
                TrackStatistics(
                    key, len(flow.subscribers), len(flow.buses), flow.keyframe_requests, flow.track.counters()
                )
                for key, flow in flows
            ),
            buses=sum(len(flow.buses) for _, flow in flows),
            subscribers=sum(len(flow.subscribers) for _, flow in flows),
            failures=self._failures + sum(flow.failures for _, flow in flows),
        )

    def held(self) -> tuple[OpenTrack, ...]:
        """The tracks that are open, with their buses."""
        return tuple(flow.held() for flow in self._flows.values())

    def close(self) -> None:
        """Close all tracks."""
        for key in list(self._flows):
            self.close_track(key, "the host ends")

    def _open(self, key: str, info: TrackInfo) -> Outflow:
        lobby = key.partition("/")[0]
        timeline = self._timelines.get(lobby)
        if timeline is None:
            timeline = self._timelines[lobby] = Timeline(self._wall_offset)
        track = Track(key, info, timeline, self._history_bytes, self._gop_bytes)
        flow = self._flows[key] = Outflow(track, self._on_keyframe_wanted, self._on_bus_lost, self._on_bus_taken)
        return flow
