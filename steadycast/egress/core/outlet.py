"""One viewer's place on one track: its own numbers for the frames it gets, and what it was given, for resends."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from steadycast.egress.core.budget import Budget
from steadycast.egress.core.frame import Frame
from steadycast.egress.core.rtp import headers
from steadycast.egress.core.track import Track

SEGMENTS = 256  # numbering segments kept a viewer: one for each skip or replayed frame
REPLAY_BYTES = 1_048_576  # most that a new viewer is sent at once
_REPLAY_STEP_S = 0.001  # between the compressed timestamps of a replay


class OutletState(Enum):
    WAITING = "waiting for a keyframe"
    LIVE = "live"
    PAUSED = "paused"


class Sending(NamedTuple):
    """A frame and the viewer's numbers for it. `sequence` is that of its first packet, not wrapped: for SRTP
    `sequence >> 16` is the rollover counter. `timestamp` is wrapped to 32 bits."""

    frame: Frame
    sequence: int
    timestamp: int


class Resend(NamedTuple):
    """One packet to send again; `sequence` as in `Sending`."""

    sequence: int
    timestamp: int
    marker: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """What a sender report says (RFC 3550 6.4.1). `wall` is Unix seconds; `timestamp` is the same moment, 32 bits."""

    ssrc: int
    wall: float
    timestamp: int
    packets: int
    octets: int


class _Segment:
    """Frames given without a skip: the viewer's numbers minus the track's are constant. `index` goes with `first`."""

    __slots__ = ("first", "index", "timestamp")

    def __init__(self, first: int, index: int, timestamp: int) -> None:
        self.first = first
        self.index = index
        self.timestamp = timestamp


class Outlet:
    """A viewer's numbering of a track. Sequence numbers have no gap, whatever frames were skipped for it.

    Use: subscribe to the track at the fanout; send `start(now)` at once; then, for each frame delivered, send what
    `offer(frame, queued_bytes, now)` gives; when it gives None, look at `stalled`.
    """

    def __init__(self, track: Track, payload_type: int, budget: Budget, *, ssrc: int | None = None) -> None:
        self.track = track
        self.payload_type = payload_type
        self.ssrc = random.getrandbits(32) if ssrc is None else ssrc
        self.state = OutletState.WAITING
        self.stalled = False
        self.packets = 0
        self.octets = 0
        self.skipped = 0  # frames not given: budget, pause, waiting
        self._budget = budget
        self._sequence = random.getrandbits(
            15
        )  # below 2^15, so that SRTP's rollover counter starts at 0 (RFC 3711 3.3.1)
        self._shift = random.getrandbits(32)
        self._segments: deque[_Segment] = deque(maxlen=SEGMENTS)
        self._next_index = -1  # index that continues the last segment
        self._last: Frame | None = None

    def start(self, now: float, limit: int = REPLAY_BYTES) -> list[Sending]:
        """Begin (or begin again after `pause`): the current group of pictures, to be sent at once.

        Its timestamps are compressed to end at the newest frame, so that a player shows the newest picture. Empty if
        there is no group within `limit` bytes and the budget: then a keyframe is asked for.
        """
        if self.track.instant:
            self.state = OutletState.LIVE  # sound: the next packet will do, old ones are of no use
            return []
        frames = self.track.gop(min(limit, self._budget.limit))
        if not frames:
            self.state = OutletState.WAITING
            self.track.want_keyframe(now)
            return []
        self.state = OutletState.LIVE
        step = max(1, int(self.track.info.clock_rate * _REPLAY_STEP_S))
        return [self._number(frame, stamp) for frame, stamp in zip(frames, compress(frames, step), strict=True)]

    def offer(self, frame: Frame, queued: int, now: float) -> Sending | None:
        """The numbers for a new frame of the track, or None if this viewer must not get it. `queued` is what the viewer
        has unsent, in bytes."""
        over = self._budget.over(queued, now)
        if self.state is OutletState.LIVE and not over:
            return self._number(frame, frame.timestamp)
        return self._offer_late(frame, over, now)

    def _offer_late(self, frame: Frame, over: bool, now: float) -> Sending | None:
        if self.state is OutletState.PAUSED:
            return None
        if over:
            self.stalled = self._budget.stalled
            self.state = OutletState.WAITING
        elif frame.keyframe:
            self.state = OutletState.LIVE
            return self._number(frame, frame.timestamp)
        else:
            self.track.want_keyframe(now)
        self.skipped += 1
        return None

    def turn(self, track: Track, frame: Frame) -> None:
        """Go on with another track of the same codec and lobby, this frame of it the first: numbers go on, and no
        timestamp comes twice. What was given of the track before cannot be sent again."""
        behind = -1 if self._last is None else self._last.timestamp - frame.timestamp
        self._shift += max(0, behind + 1)
        self.track = track
        self._segments.clear()
        self._next_index = -1

    def pause(self) -> None:
        """Give nothing until `start`."""
        self.state = OutletState.PAUSED

    def headers(self, sending: Sending) -> list[bytes]:
        """The RTP headers (12 bytes each) of a sending, one for each payload of its frame."""
        frame = sending.frame
        numbers = (self.payload_type, sending.sequence, sending.timestamp, self.ssrc)
        return headers(numbers, len(frame.payloads), frame.marker)

    def resend(self, sequence: int) -> Resend | None:
        """What was given under this 16-bit sequence number, if it is still known and still in the track's history."""
        behind = (self._sequence - sequence) & 0xFFFF or 0x10000
        wanted = self._sequence - behind
        for segment in reversed(self._segments):
            if segment.first <= wanted:
                break
        else:
            return None
        found = self.track.packet(segment.index + wanted - segment.first)
        if found is None:
            return None
        frame, position = found
        last = position == len(frame.payloads) - 1
        stamp = (frame.timestamp + segment.timestamp) & 0xFFFFFFFF
        return Resend(wanted, stamp, last and frame.marker, frame.payloads[position])

    def report(self, now: float) -> SenderInfo | None:
        """What to say in a sender report at `now`; None before the first frame."""
        last = self._last
        if last is None:
            return None
        since = max(0.0, now - last.arrived)
        stamp = last.timestamp + self._shift + int(since * self.track.info.clock_rate)
        return SenderInfo(self.ssrc, last.wall + since, stamp & 0xFFFFFFFF, self.packets, self.octets)

    @property
    def next_sequence(self) -> int:
        """The sequence number of the next packet, wrapped (RTSP's RTP-Info)."""
        return self._sequence & 0xFFFF

    def timestamp_of(self, frame: Frame) -> int:
        """The viewer's timestamp of a frame that is given live, wrapped (RTSP's RTP-Info)."""
        return (frame.timestamp + self._shift) & 0xFFFFFFFF

    def _number(self, frame: Frame, stamp: int) -> Sending:
        sequence = self._sequence
        index = frame.index
        count = len(frame.payloads)
        shift = stamp - frame.timestamp + self._shift
        if index != self._next_index or self._segments[-1].timestamp != shift:
            self._segments.append(_Segment(sequence, index, shift))
        self._next_index = index + count
        self._sequence = sequence + count
        self.packets += count
        self.octets += frame.size
        self._last = frame
        return Sending(frame, sequence, (frame.timestamp + shift) & 0xFFFFFFFF)


def compress(frames: Sequence[Frame], step: int) -> list[int]:
    """Timestamps for a replay: in the order of the frames' own, `step` apart, the latest unchanged."""
    stamps = sorted({frame.timestamp for frame in frames})
    rank = {stamp: len(stamps) - 1 - place for place, stamp in enumerate(stamps)}
    return [max(frame.timestamp, stamps[-1] - rank[frame.timestamp] * step) for frame in frames]
