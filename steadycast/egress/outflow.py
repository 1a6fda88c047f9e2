"""One track at work: its buses, its subscribers, and the frames on their way from one to the other."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol

from steadycast.egress.bus import Bus
from steadycast.egress.core.frame import Frame
from steadycast.egress.core.track import Track
from steadycast.egress.stock import OpenTrack
from steadycast.model import TrackInfo

# Frames of one track are handed out at most this long at a stretch; then other tracks, and everything else, get a turn.
SLICE_S = 0.01

logger = logging.getLogger("egress")


class Subscriber(Protocol):
    """Somebody who gets the frames of a track. Both are called from the event loop and must not block."""

    def deliver(self, track: Track, frame: Frame, now: float) -> None:
        """A new frame. `now` is the loop's time (monotonic). Raising ends the subscription."""
        ...

    def track_closed(self, track: Track, reason: str) -> None:
        """The track is gone, or `deliver` raised; the subscription ended."""
        ...


class Outflow:
    """A track with its buses and subscribers. `on_keyframe_wanted` and `on_bus_lost` get the track's key,
    `on_bus_taken` the name of the bus too."""

    def __init__(
        self,
        track: Track,
        on_keyframe_wanted: Callable[[str], None],
        on_bus_lost: Callable[[str], None],
        on_bus_taken: Callable[[str, str], None],
    ) -> None:
        self.track = track
        self.subscribers: dict[Subscriber, int] = {}  # and the index of the first packet that each gets
        self.buses: list[Bus] = []
        self.failures = 0
        self.keyframe_requests = 0
        self._on_keyframe_wanted = on_keyframe_wanted
        self._on_bus_lost = on_bus_lost
        self._on_bus_taken = on_bus_taken
        self._loop = asyncio.get_running_loop()
        self._frames: deque[Frame] = deque()  # of one read at most: reading pauses until they are handed out
        self._turn: asyncio.Handle | None = None
        self._keyframe_timer: asyncio.TimerHandle | None = None
        self._closed = False

    def open_bus(self, epoch: str, info: TrackInfo, sock: socket.socket, name: str = "") -> None:
        """Read from `sock` too; raises ValueError as `Track.open_bus` does."""
        intake = self.track.open_bus(epoch, info)
        self._close_ended()
        self.buses.append(Bus(sock, intake, self._data, self._bus_ended, name))
        if self._frames:
            self.buses[-1].pause()

    def held(self) -> OpenTrack:
        """The track and the names of its buses."""
        current = next((bus for bus in self.buses if self.track.goes_on_with(bus.intake)), None)
        waiting = next((bus for bus in self.buses if bus is not current and not bus.intake.ended), None)
        source = current or waiting
        return OpenTrack(
            key=self.track.key,
            info=self.track.info if source is None else source.intake.info,
            epoch=None if source is None else source.intake.epoch,
            bus=None if current is None else current.name,
            waiting=None if waiting is None else waiting.name,
        )

    def subscribe(self, subscriber: Subscriber) -> None:
        """Give frames from now on: not those that wait to be handed out, which are in the group of pictures already."""
        self.subscribers.setdefault(subscriber, self.track.next_index)

    def want_keyframe(self) -> None:
        """A viewer needs a keyframe."""
        self.track.want_keyframe(self._loop.time())
        self.ask_for_keyframe()

    def ask_for_keyframe(self) -> None:
        """Send the request that is due, or look again when it will be."""
        wait = self.track.keyframes.due_in(self._loop.time())
        if wait is None or self._closed or self._keyframe_timer is not None:
            return
        if wait == 0 and self.track.keyframes.take(self._loop.time()):
            self.keyframe_requests += 1
            self._on_keyframe_wanted(self.track.key)
        else:
            self._keyframe_timer = self._loop.call_later(wait, self._keyframe_due)

    def close(self, reason: str) -> None:
        """Close the buses and tell the subscribers."""
        self._closed = True
        for handle in (self._turn, self._keyframe_timer):
            if handle is not None:
                handle.cancel()
        self._frames.clear()
        for bus in self.buses:
            bus.close()
        self.buses.clear()
        for subscriber in list(self.subscribers):
            self._cut_off(subscriber, reason)

    def _data(self, bus: Bus, data: memoryview) -> None:
        self._frames += self.track.feed(bus.intake, data, self._loop.time())
        if not bus.taken and self.track.goes_on_with(bus.intake):
            bus.taken = True
            self._on_bus_taken(self.track.key, bus.name)
        self._close_ended()
        self._hand_out()

    def _hand_out(self) -> None:
        """Give the frames to all subscribers, for one time slice; the rest in the next turn of the loop."""
        self._turn = None
        until = self._loop.time() + SLICE_S
        while self._frames:
            self._give(self._frames.popleft())
            if self._frames and self._loop.time() > until:
                self._turn = self._loop.call_soon(self._hand_out)
                break
        for bus in self.buses:
            if self._frames:
                bus.pause()
            else:
                bus.resume()
        self.ask_for_keyframe()

    def _give(self, frame: Frame) -> None:
        now = self._loop.time()
        track = self.track
        subscribers = self.subscribers
        for subscriber in tuple(subscribers):
            first = subscribers.get(subscriber)
            if first is None or frame.index < first:
                continue  # left while this frame was given to others, or came after it was made
            try:
                subscriber.deliver(track, frame, now)
            except Exception:
                logger.exception("a viewer of %s failed and is cut off", track.key)
                self.failures += 1
                self._cut_off(subscriber, "an internal error")

    def _cut_off(self, subscriber: Subscriber, reason: str) -> None:
        self.subscribers.pop(subscriber, None)
        try:
            subscriber.track_closed(self.track, reason)
        except Exception:
            logger.exception("a viewer of %s failed when it was told the end", self.track.key)
            self.failures += 1

    def _bus_ended(self, bus: Bus) -> None:
        self.buses = [other for other in self.buses if other is not bus]
        if self.track.end_bus(bus.intake):
            self._on_bus_lost(self.track.key)

    def _close_ended(self) -> None:
        """Close buses that another one replaced."""
        for bus in self.buses:
            if bus.intake.ended:
                bus.close()
        self.buses = [bus for bus in self.buses if not bus.closed]

    def _keyframe_due(self) -> None:
        self._keyframe_timer = None
        self.ask_for_keyframe()
