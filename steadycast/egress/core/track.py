"""A track: packets of one or two buses in, frames out."""

from __future__ import annotations


from steadycast.egress.core.frame import Frame
from steadycast.egress.core.keyframes import KeyframeLimit
from steadycast.egress.core.shared import SharedNumbering
from steadycast.model import TrackInfo


class Track:
    """The packets of one encoding, from one bus after the other, as numbered frames.

    `instant` is True where every frame can be a viewer's first (sound). `shared` is the numbering that viewers may use
    in common. `keyframes` bounds the requests for keyframes; whoever owns the track sends those that are due.
    """

    key: str
    info: TrackInfo
    instant: bool
    shared: SharedNumbering
    keyframes: KeyframeLimit
    latest: Frame | None  # the newest frame

    def want_keyframe(self, now: float) -> None:
        """A viewer needs a keyframe (it joined, lost packets, or said PLI or FIR)."""
        raise NotImplementedError

    def gop(self, limit: int) -> list[Frame]:
        """The frames since the last keyframe, or [] if there is none, or they are more than `limit` bytes together."""
        raise NotImplementedError

    def packet(self, index: int) -> tuple[Frame, int] | None:
        """The frame that holds the packet of this index and the packet's place in it, if the history still has it."""
        raise NotImplementedError
