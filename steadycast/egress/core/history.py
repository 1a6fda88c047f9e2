"""What a track remembers: packets for resends, and the current group of pictures for new viewers. Both are bounded."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from operator import attrgetter

from steadycast.egress.core.frame import Frame

_PACKET_COST = 64  # bytes of Python objects a packet and a frame, counted so that tiny packets cannot get past a bound
_FRAME_COST = 192

_index = attrgetter("index")


def cost(frame: Frame) -> int:
    """Memory of a frame, roughly, in bytes."""
    return frame.size + _PACKET_COST * len(frame.payloads) + _FRAME_COST


class History:
    """The newest frames of a track, at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._frames: deque[Frame] = deque()
        self.size = 0

    def add(self, frame: Frame) -> None:
        """Take a frame in; the oldest leave."""
        frames = self._frames
        frames.append(frame)
        self.size += cost(frame)
        while self.size > self._limit:
            self.size -= cost(frames.popleft())

    def find(self, index: int) -> tuple[Frame, int] | None:
        """The frame with the packet of this index, and the packet's place in it."""
        place = bisect_right(self._frames, index, key=_index) - 1
        if place < 0:
            return None
        frame = self._frames[place]
        if index >= frame.next_index:
            return None
        return frame, index - frame.index


class PictureGroup:
    """The frames since the last keyframe; given up until the next one where they are more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._frames: list[Frame] = []
        self.size = 0

    def add(self, frame: Frame) -> None:
        """Take a frame in; a keyframe begins anew."""
        if frame.keyframe:
            self._frames = []
            self.size = 0
        elif not self._frames:
            return
        self._frames.append(frame)
        self.size += cost(frame)
        if self.size > self._limit:
            self._frames = []
            self.size = 0

    def frames(self, limit: int) -> list[Frame]:
        """A copy of the frames, or [] if they are more than `limit` bytes."""
        return [] if self.size > limit else list(self._frames)
