"""One track on its way to one viewer: frames numbered, protected and sent; lost packets sent again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from steadycast.egress.core.frame import Frame
from steadycast.egress.core.link import Link
from steadycast.egress.core.outlet import Outlet, SenderInfo, Sending
from steadycast.egress.core.rtcp import mark_of
from steadycast.egress.core.rtp import headers, numbered
from steadycast.egress.core.track import Track
from steadycast.egress.fanout import Fanout
from steadycast.egress.webrtc.srtp import Protect
from steadycast.errors import ConflictError

RESENDS_PER_S = 2000  # packets sent again for one stream in a second; who asks for more asks in vain
# Where the way is known to be narrow, so large a part of it: what is lost in a full queue, sent again, fills it again.
_RESEND_SHARE = 0.2
_PACKET_BITS = 8 * 1200


class Carrier(Protocol):
    """What a stream needs of its viewer."""

    def transmit(self, packets: Sequence[bytes]) -> bool:
        """Send packets to where the viewer is now."""
        ...

    def queued(self) -> int:
        """Bytes that wait for this viewer."""
        ...


class TrackStream:
    """A subscriber of the fan-out. `on_ended` is called when the track closed or the viewer is hopelessly slow."""

    def __init__(
        self,
        fanout: Fanout,
        outlet: Outlet,
        protect: Protect,
        carrier: Carrier,
        on_ended: Callable[[TrackStream, str], None],
        extension: int | None = None,
    ) -> None:
        """`extension` is the id under which packets are numbered for transport-wide feedback; None: they are not."""
        self.outlet = outlet
        self.link = None if outlet.track.instant else Link()
        self.resent = 0
        self._fanout = fanout
        self._protect = protect
        self._carrier = carrier
        self._on_ended = on_ended
        self._extension = extension
        self._next_index = -1
        self._next: tuple[Track, Callable[[], None]] | None = None  # that it turns to, and who hears of it
        self._window = 0.0
        self._left = RESENDS_PER_S

    def begin(self, now: float) -> None:
        """Subscribe, and send what there is of the current group of pictures, so that something is seen at once.

        Raises NotFoundError.
        """
        self._fanout.subscribe(self.outlet.track.key, self)
        replay = self.outlet.start(now)
        if replay:  # in one piece, which the port sends no faster than a browser can take it
            self._carrier.transmit([packet for sending in replay for packet in self._protected(sending, now)])
        elif not self.outlet.track.instant:
            self.want_keyframe()

    def deliver(self, track: Track, frame: Frame, now: float) -> None:
        """A new frame of the track; one that waited to be handed out while `begin` replayed it is passed over."""
        if (track is not self.outlet.track and not self._turns(track, frame)) or frame.index < self._next_index:
            return
        sending = self.outlet.offer(frame, self._carrier.queued(), now)
        if sending is not None:
            self._carrier.transmit(self._protected(sending, now))
        elif self.outlet.stalled:
            self._on_ended(self, "too slow: it did not take what was sent for too long")

    def track_closed(self, track: Track, reason: str) -> None:
        """The track is gone."""
        if self._next is not None and self._next[0] is track:
            self._next = None
        elif track is self.outlet.track:
            self._on_ended(self, reason)

    def turn(self, key: str, turned: Callable[[], None]) -> None:
        """Go on with another track of the codec from its next keyframe on; `turned` is called then. What it would have
        turned to before is forgotten. Raises NotFoundError, ConflictError."""
        self.stay()
        track = self._fanout.subscribe(key, self)
        if track.info.codec is not self.outlet.track.info.codec:
            self._fanout.unsubscribe(key, self)
            raise ConflictError("track.codec_changed", "A viewer cannot go on with another codec.")
        self._next = track, turned
        self._fanout.want_keyframe(key)

    def stay(self) -> None:
        """Turn to nothing else."""
        if self._next is not None:
            self._fanout.unsubscribe(self._next[0].key, self)
            self._next = None

    def _turns(self, track: Track, frame: Frame) -> bool:
        """Whether this frame is where it turns to that track."""
        if self._next is None or self._next[0] is not track or not frame.keyframe:
            return False
        turned, self._next = self._next[1], None
        self._fanout.unsubscribe(self.outlet.track.key, self)
        self.outlet.turn(track, frame)
        self._next_index = -1
        turned()
        return True

    def _protected(self, sending: Sending, now: float) -> list[bytes]:
        self._next_index = sending.frame.next_index
        protect, sequence = self._protect, sending.sequence
        pairs = zip(self._extended(self.outlet.headers(sending), sequence), sending.frame.payloads, strict=True)
        packets = [protect(header, payload, sequence + i) for i, (header, payload) in enumerate(pairs)]
        if self.link is not None:
            self.link.sent(sequence, len(packets), sum([len(packet) for packet in packets]), now)
        return packets

    def _extended(self, made: list[bytes], sequence: int) -> list[bytes]:
        """With the number of each for the viewer's feedback: its sequence number, so that a resend is the same packet
        again to the last bit, as its encryption needs it."""
        return made if self._extension is None else numbered(made, sequence, self._extension)

    def resend(self, lost: Sequence[int], now: float) -> None:
        """Send lost packets again, as far as they are still known."""
        if now - self._window >= 1.0:
            self._window, self._left = now, self._resends()
        packets = []
        for number in lost[: self._left]:
            found = self.outlet.resend(number)
            if found is not None:
                numbers = (self.outlet.payload_type, found.sequence, found.timestamp, self.outlet.ssrc)
                header = self._extended(headers(numbers, 1, found.marker), found.sequence)[0]
                packets.append(self._protect(header, found.payload, found.sequence))
        self._left -= len(packets)
        self.resent += len(packets)
        if packets:
            self._carrier.transmit(packets)

    def _resends(self) -> int:
        """How many packets may be sent again within the next second."""
        carries = None if self.link is None else self.link.estimate_bps
        return RESENDS_PER_S if carries is None else min(RESENDS_PER_S, 1 + int(carries * _RESEND_SHARE / _PACKET_BITS))

    def want_keyframe(self) -> None:
        """The viewer said PLI or FIR."""
        self._fanout.want_keyframe(self.outlet.track.key)

    def end(self) -> None:
        """Get no more frames."""
        self.stay()
        self._fanout.unsubscribe(self.outlet.track.key, self)

    def report(self, now: float) -> SenderInfo | None:
        """What a sender report says now; None before the first frame."""
        info = self.outlet.report(now)
        if info is not None and self.link is not None:
            self.link.report_sent(mark_of(info), now)
        return info
