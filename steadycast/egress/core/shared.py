"""One numbering for many viewers of a track: a frame's RTP packets are built once, whoever gets them (RTSP)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from steadycast.egress.core.frame import Frame
from steadycast.egress.core.rtp import headers

if TYPE_CHECKING:
    from steadycast.egress.core.outlet import SenderInfo


class SharedNumbering:
    """The track's own numbers plus a random start: sequence = index + `sequence_base`, timestamp + `timestamp_base`.

    `packets` are kept for the newest frame, so a hundred viewers cost one building. A viewer that skips frames sees a
    gap in sequence numbers, as if they had been lost.
    """

    def __init__(self, payload_type: int) -> None:
        self.payload_type = payload_type
        self.ssrc = random.getrandbits(32)
        self.sequence_base = random.getrandbits(16)
        self.timestamp_base = random.getrandbits(32)
        self._newest: Frame | None = None
        self._packets: tuple[bytes, ...] = ()

    def sequence(self, frame: Frame) -> int:
        """The 16-bit sequence number of the frame's first packet."""
        return (frame.index + self.sequence_base) & 0xFFFF

    def timestamp(self, frame: Frame) -> int:
        """The 32-bit timestamp of the frame."""
        return (frame.timestamp + self.timestamp_base) & 0xFFFFFFFF

    def packets(self, frame: Frame) -> tuple[bytes, ...]:
        """The RTP packets of a frame, header and payload. The same object for every caller of the newest frame."""
        if frame is not self._newest:
            self._packets = self._build(frame, frame.timestamp)
            self._newest = frame
        return self._packets

    def replay(self, frames: Sequence[Frame], stamps: Sequence[int]) -> list[tuple[bytes, ...]]:
        """The packets of frames under other timestamps (see `outlet.compress`), for a viewer that begins with them."""
        return [self._build(frame, stamp) for frame, stamp in zip(frames, stamps, strict=True)]

    def report(self, last: Frame, counts: tuple[int, int], now: float, clock_rate: int) -> SenderInfo:
        """What a viewer's sender report says at `now`; `counts` are its own packets and octets sent."""
        from steadycast.egress.core.outlet import SenderInfo

        since = max(0.0, now - last.arrived)
        stamp = (self.timestamp(last) + int(since * clock_rate)) & 0xFFFFFFFF
        return SenderInfo(self.ssrc, last.wall + since, stamp, *counts)

    def _build(self, frame: Frame, stamp: int) -> tuple[bytes, ...]:
        numbers = (self.payload_type, frame.index + self.sequence_base, stamp + self.timestamp_base, self.ssrc)
        heads = headers(numbers, len(frame.payloads), frame.marker)
        return tuple([head + payload for head, payload in zip(heads, frame.payloads, strict=True)])
