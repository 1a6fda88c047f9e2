"""The newest frame of each track in the forms that viewers need, each made once for all of them."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from steadycast.egress.core.frame import Frame
from steadycast.egress.core.shared import SharedNumbering
from steadycast.egress.core.track import Track
from steadycast.egress.udp import Burst


class FrameForms:
    """The packets of a frame as a burst of datagrams, and as one run of bytes for each interleaved channel."""

    __slots__ = ("_burst", "_joined", "octets", "packets")

    def __init__(self, packets: Sequence[bytes], octets: int) -> None:
        self.packets = packets
        self.octets = octets  # of the payloads, as sender reports count them
        self._burst: Burst | None = None
        self._joined: dict[int, bytes] = {}  # at most one for each channel number, so 256

    def burst(self) -> Burst:
        if self._burst is None:
            self._burst = Burst(self.packets)
        return self._burst

    def joined(self, channel: int) -> bytes:
        """All packets with their prefixes (RFC 2326 section 10.12), to be written at once."""
        made = self._joined.get(channel)
        if made is None:
            made = self._joined[channel] = b"".join(interleave(channel, packet) for packet in self.packets)
        return made


def interleave(channel: int, packet: bytes) -> bytes:
    """One packet with its prefix."""
    return b"$" + bytes((channel,)) + len(packet).to_bytes(2, "big") + packet


class NewestFrames:
    """The forms of the newest frame of each track, for as long as the track lives."""

    def __init__(self) -> None:
        self._newest: weakref.WeakKeyDictionary[SharedNumbering, tuple[Frame, FrameForms]] = weakref.WeakKeyDictionary()

    def forms(self, track: Track, frame: Frame) -> FrameForms:
        """The forms of a frame under the track's shared numbers."""
        known = self._newest.get(track.shared)
        if known is not None and known[0] is frame:
            return known[1]
        made = FrameForms(track.shared.packets(frame), frame.size)
        self._newest[track.shared] = (frame, made)
        return made
