"""A frame: what a track hands out and an outlet numbers."""

from __future__ import annotations


class Frame:
    """All RTP payloads of one access unit (Opus: one packet), headers removed. Never changed after it was made.

    `index` is the track's own number of the first packet; the packets of all frames of a track are numbered without
    a gap, over losses and bus switches. `timestamp` is unwrapped, in clock-rate units, and goes on over bus switches.
    `marker` is the marker bit of the last packet; the others have none. `wall` is the Unix time of the timestamp, on
    one line for all tracks of a lobby (sender reports). `arrived` is the `now` at which the frame was complete.
    `size` is the sum of the payloads in bytes.
    """

    __slots__ = ("arrived", "index", "keyframe", "marker", "payloads", "size", "timestamp", "wall")

    def __init__(
        self, index: int, timestamp: int, payloads: tuple[bytes, ...], keyframe: bool, marker: bool, arrived: float
    ) -> None:
        self.index = index
        self.timestamp = timestamp
        self.payloads = payloads
        self.keyframe = keyframe
        self.marker = marker
        self.arrived = arrived
        self.wall = 0.0
        self.size = sum(map(len, payloads))

    @property
    def next_index(self) -> int:
        """The index of the first packet after this frame."""
        return self.index + len(self.payloads)

    def __repr__(self) -> str:
        kind = "keyframe" if self.keyframe else "frame"
        return f"<{kind} {self.index}+{len(self.payloads)} ts={self.timestamp} {self.size} bytes>"
