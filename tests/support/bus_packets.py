"""What a lobby worker writes on a bus, made by hand: RTP packets of made-up H.264 and Opus, in RFC 4571 framing."""

from __future__ import annotations

import struct

from steadycast.model import Codec, TrackInfo, TrackKind

VIDEO = TrackInfo("main", TrackKind.VIDEO, Codec.H264, 90_000, fps=30.0)
AUDIO = TrackInfo("audio", TrackKind.AUDIO, Codec.OPUS, 48_000, channels=2)

SPS, PPS, IDR, SLICE = 0x67, 0x68, 0x65, 0x41


def frame(packet: bytes) -> bytes:
    """RFC 4571."""
    return struct.pack(">H", len(packet)) + packet


class BusWriter:
    """Numbers packets as a payloader does. `sent` has all payloads of the frames written, in order."""

    def __init__(self, sequence: int = 0) -> None:
        self.sequence = sequence

    def packet(self, timestamp: int, payload: bytes, marker: bool = False, lost: bool = False) -> bytes:
        number, self.sequence = self.sequence, (self.sequence + 1) & 0xFFFF
        if lost:
            return b""
        head = struct.pack(">BBHII", 0x80, 96 | marker << 7, number, timestamp & 0xFFFFFFFF, 0x1234)
        return frame(head + payload)

    def picture(
        self, timestamp: int, key: bool, *, tag: bytes = b"", packets: int = 3, lost: frozenset[int] = frozenset()
    ) -> bytes:
        """An access unit of `packets` slices, with parameter sets before a keyframe. `lost` are places left out."""
        payloads = [bytes([SPS, 1]), bytes([PPS, 2])] if key else []
        payloads += [bytes([IDR if key else SLICE]) + tag + bytes([place]) for place in range(packets)]
        last = len(payloads) - 1
        return b"".join(
            self.packet(timestamp, payload, place == last, place in lost) for place, payload in enumerate(payloads)
        )

    def sound(self, timestamp: int, payload: bytes = b"sound", lost: bool = False) -> bytes:
        return self.packet(timestamp, payload, False, lost)
