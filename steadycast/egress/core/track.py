"""A track: packets of one or two buses in, frames out."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.egress.core.frame import Frame
from steadycast.egress.core.history import History, PictureGroup
from steadycast.egress.core.intake import Intake, Unit
from steadycast.egress.core.keyframes import KeyframeLimit
from steadycast.egress.core.shared import SharedNumbering
from steadycast.egress.core.timeline import Timeline
from steadycast.model import Codec, TrackInfo, TrackKind

# Payload types of the shared numbering: dynamic ones (RFC 3551 6), one for each kind so that an SDP can name both.
VIDEO_PAYLOAD_TYPE = 96
AUDIO_PAYLOAD_TYPE = 97

_OPUS_FRAME_S = 0.02
_SLOWEST_FPS = 1.0  # a longer pause between frames is no frame duration


@dataclass(frozen=True, slots=True)
class TrackCounters:
    """Counted since the track was opened. `gaps` and `dropped` packets are of its buses, `switches` changes."""

    frames: int = 0
    keyframes: int = 0
    packets: int = 0
    bytes: int = 0
    gaps: int = 0
    dropped: int = 0
    switches: int = 0
    history_bytes: int = 0
    gop_bytes: int = 0


class Track:
    """The packets of one encoding, from one bus after the other, as numbered frames.

    `instant` is True where every frame can be a viewer's first (sound). `shared` is the numbering that viewers may use
    in common. `keyframes` bounds the requests for keyframes; whoever owns the track sends those that are due.
    `latest` is the newest frame, `next_index` the index of the packet after it. `info` is that of the bus it came from.
    """

    def __init__(self, key: str, info: TrackInfo, timeline: Timeline, history_bytes: int, gop_bytes: int) -> None:
        self.key = key
        self.info = info
        self.instant = info.codec is Codec.OPUS
        self.shared = SharedNumbering(AUDIO_PAYLOAD_TYPE if info.kind is TrackKind.AUDIO else VIDEO_PAYLOAD_TYPE)
        self.keyframes = KeyframeLimit()
        self.latest: Frame | None = None
        self._timeline = timeline
        self._history = History(history_bytes)
        self._group = PictureGroup(0 if self.instant else gop_bytes)
        self._current: Intake | None = None
        self._next: Intake | None = None
        self.next_index = 0
        self._offset = 0  # added to the stamps of the current bus
        self._own = 0  # part of the offset that only this track has
        self._epoch: str | None = None  # of the bus that `latest` came from
        self._floor: int | None = None  # the next frame may not be before this, as long as frames of two buses overlap
        self._highest = 0  # timestamp
        self._duration: int | None = None  # of the last frame
        self._frames = self._keyframes = self._packets = self._bytes = self._switches = 0
        self._gaps = self._dropped = 0  # of buses that are gone

    def open_bus(self, epoch: str, info: TrackInfo) -> Intake:
        """A new bus to read from: give what it brings to `feed`. Raises ValueError for another codec or clock rate.

        The bus before goes on until this one has a keyframe; one that still waited for its own is given up. Intakes
        that are `ended` need not be read any more.
        """
        if info.codec is not self.info.codec or info.clock_rate != self.info.clock_rate:
            raise ValueError(f"{self.key}: a bus of {info.codec}/{info.clock_rate} cannot go on with {self.info.codec}")
        if self._next is not None:
            self._retire(self._next)
        self._next = Intake(epoch, info)
        return self._next

    def goes_on_with(self, intake: Intake) -> bool:
        """Whether the frames come from this intake now."""
        return intake is self._current

    def end_bus(self, intake: Intake) -> bool:
        """The bus is gone. True if the track has none left."""
        if not intake.ended:
            self._retire(intake)
        if intake is self._current:
            self._current = None
        if intake is self._next:
            self._next = None
        return self._current is None and self._next is None

    def feed(self, intake: Intake, data: bytes | memoryview, now: float) -> list[Frame]:
        """The frames that `data`, read from the bus of this intake at `now`, completes."""
        if intake.ended:
            return []
        frames = [self._make(intake, unit, now) for unit in intake.feed(data)]
        if intake.waiting:
            self.want_keyframe(now)
        return frames

    def want_keyframe(self, now: float) -> None:
        """A viewer needs a keyframe (it joined, lost packets, or said PLI or FIR)."""
        if not self.instant:
            self.keyframes.want(now)

    def gop(self, limit: int) -> list[Frame]:
        """The frames since the last keyframe, or [] if there is none, or they are more than `limit` bytes together."""
        return self._group.frames(limit)

    def packet(self, index: int) -> tuple[Frame, int] | None:
        """The frame that holds the packet of this index and the packet's place in it, if the history still has it."""
        return self._history.find(index)

    def counters(self) -> TrackCounters:
        """What was counted so far."""
        buses = [intake for intake in (self._current, self._next) if intake is not None]
        return TrackCounters(
            frames=self._frames,
            keyframes=self._keyframes,
            packets=self._packets,
            bytes=self._bytes,
            gaps=self._gaps + sum(intake.gaps for intake in buses),
            dropped=self._dropped + sum(intake.dropped for intake in buses),
            switches=self._switches,
            history_bytes=self._history.size,
            gop_bytes=self._group.size,
        )

    def _make(self, intake: Intake, unit: Unit, now: float) -> Frame:
        if intake is not self._current:
            self._switch(intake, unit, now)
        stamp = self._after_floor(unit.stamp + self._offset)
        frame = Frame(self.next_index, stamp, unit.payloads, unit.keyframe, unit.marker, now)
        frame.wall = self._timeline.note((stamp - self._own) / self.info.clock_rate, now)
        if (
            self._floor is None
            and self.latest is not None
            and 0 < stamp - self._highest <= self.info.clock_rate / _SLOWEST_FPS
        ):
            self._duration = stamp - self._highest
        self._highest = stamp if self.latest is None else max(stamp, self._highest)
        self.next_index = frame.next_index
        self.latest = frame
        self._history.add(frame)
        self._group.add(frame)
        self._frames += 1
        self._packets += len(unit.payloads)
        self._bytes += frame.size
        if unit.keyframe:
            self._keyframes += 1
            self.keyframes.arrived()
        return frame

    def _switch(self, intake: Intake, unit: Unit, now: float) -> None:
        """Go on with a new bus, whose first unit this is: fit its clock behind the last frame."""
        if self._current is not None:
            self._retire(self._current)
        self._current, self._next = intake, None
        self.info = intake.info
        rate = self.info.clock_rate
        last = self.latest
        goes_on = last is not None and intake.epoch == self._epoch
        self._epoch = intake.epoch
        if last is None:
            expected = self._timeline.expected(now)
            target = unit.stamp / rate if expected is None else expected
        else:
            self._switches += 1
            elapsed = int(max(0.0, now - last.arrived) * rate)
            floor = self._highest + self._frame_duration()
            target = (max(last.timestamp + elapsed, floor) - self._own) / rate
        shift = self._timeline.shift(intake.epoch, unit.stamp / rate, target, now)
        self._offset = round(shift * rate)
        if goes_on:  # the same clock: nothing is moved, but for frames that both buses have
            self._offset += self._own
            self._floor = self._highest + 1
            return
        self._own, self._floor = 0, None
        if last is not None:
            self._own = max(0, floor - unit.stamp - self._offset)
            self._offset += self._own

    def _after_floor(self, stamp: int) -> int:
        """The timestamp of a frame, which is a tick later than the last where the bus before had the same moment."""
        if self._floor is None:
            return stamp
        if stamp >= self._floor:
            self._floor = None
            return stamp
        self._floor += 1
        return self._floor - 1

    def _frame_duration(self) -> int:
        """Of the last frame, in clock-rate units; as declared or usual where it is not known."""
        if self._duration is not None:
            return self._duration
        rate = self.info.clock_rate
        if self.instant:
            return int(rate * _OPUS_FRAME_S)
        return max(1, int(rate / max(self.info.fps or 30.0, _SLOWEST_FPS)))

    def _retire(self, intake: Intake) -> None:
        intake.ended = True
        self._gaps += intake.gaps
        self._dropped += intake.dropped
