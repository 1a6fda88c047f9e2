"""The reading end of one bus, sans-IO: bytes in, whole access units out, beginning at a keyframe after every gap."""

from __future__ import annotations

from typing import NamedTuple

from steadycast.egress.core import rtp
from steadycast.egress.core.framing import Deframer
from steadycast.egress.core.marks import HEAD, KEY, reader
from steadycast.model import Codec, TrackInfo

UNIT_BYTES = 16_777_216  # an access unit that is larger is given up: its end got lost, or it is no picture
UNIT_PACKETS = 32_768  # half of the sequence numbers


class Unit(NamedTuple):
    """The payloads of one access unit. `stamp` is its timestamp, unwrapped from the bus's first."""

    stamp: int
    payloads: tuple[bytes, ...]
    keyframe: bool
    marker: bool


class Intake:
    """Collects the packets of one bus. The first unit, and the first after a gap, is a keyframe; what comes before is
    dropped. `waiting` says that this is going on."""

    def __init__(self, epoch: str, info: TrackInfo) -> None:
        self.epoch = epoch
        self.info = info
        self.ended = False  # the bus is gone, or another took its place: what is fed is ignored
        self.waiting = True
        self.gaps = 0
        self.packets = 0
        self.dropped = 0  # packets
        self._marks = reader(info.codec)
        self._alone = info.codec is Codec.OPUS
        self._deframer = Deframer()
        self._sequence: int | None = None  # of the next packet
        self._raw = 0
        self._stamp: int | None = None
        self._edge = False  # the packet before this one ended its unit
        self._skip = True  # the unit that is being received is not whole
        self._keyframe = False
        self._payloads: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes | memoryview) -> list[Unit]:
        """The access units that `data` completes."""
        units: list[Unit] = []
        for item in self._deframer.feed(data):
            packet = rtp.parse(item)
            if packet is None:
                self.dropped += 1
                continue
            self.packets += 1
            self._take(packet, units)
        return units

    def _take(self, packet: rtp.RtpPacket, units: list[Unit]) -> None:
        joined = packet.sequence == self._sequence
        if not joined and self._sequence is not None:
            self._lose()
        self._sequence = (packet.sequence + 1) & 0xFFFF
        mark = self._marks(packet.payload)
        begins = self._edge or packet.timestamp != self._raw if joined else mark & HEAD
        if begins or self._alone:
            self._finish(True, units)  # one whose end was not marked
            self._skip = False
        self._follow(packet.timestamp)
        if self._skip or not packet.payload:
            self.dropped += 1
        else:
            self._payloads.append(packet.payload)
            self._size += len(packet.payload)
            self._keyframe = self._keyframe or mark & KEY != 0
            if self._size > UNIT_BYTES or len(self._payloads) > UNIT_PACKETS:
                self._lose()
        self._edge = packet.marker or self._alone
        if self._edge:
            self._finish(packet.marker, units)

    def _follow(self, raw: int) -> None:
        """Unwrap the timestamp of a packet."""
        if self._stamp is None:
            self._stamp = raw
        else:
            step = (raw - self._raw) & 0xFFFFFFFF
            self._stamp += step - 0x1_0000_0000 if step & 0x8000_0000 else step
        self._raw = raw

    def _lose(self) -> None:
        """Packets are missing: nothing is whole until the next keyframe."""
        self.gaps += 1
        self.waiting = self._skip = True
        self._drop()

    def _finish(self, marker: bool, units: list[Unit]) -> None:
        if not self._payloads or self._stamp is None:
            return
        if self.waiting and not self._keyframe:
            self._drop()
            return
        self.waiting = False
        units.append(Unit(self._stamp, tuple(self._payloads), self._keyframe, marker))
        self._clear()

    def _drop(self) -> None:
        self.dropped += len(self._payloads)
        self._clear()

    def _clear(self) -> None:
        self._payloads = []
        self._size = 0
        self._keyframe = False
