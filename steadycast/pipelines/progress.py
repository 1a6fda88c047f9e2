"""Whether a source still goes on, and whether an encoder makes something of what it takes. Pure; seconds are of a clock
that stands still while this process is stopped."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE_FRAMES = 5  # that the source must have made meanwhile: else it is the source that stands still


@dataclass(frozen=True, slots=True)
class Counts:
    """Frames so far: made by the encoder, taken by it, shown by the source."""

    made: int
    taken: int
    shown: int


class Progress:
    """Looked at from time to time while an encoder is open."""

    def __init__(self, counts: Counts, now: float) -> None:
        self._counts = counts
        self.since = now  # when it was last seen to have made something

    def stalled(self, counts: Counts, now: float, patience_s: float) -> bool:
        """Whether it took frames for `patience_s` and made none, although the source went on."""
        if counts.made != self._counts.made:
            self._counts, self.since = counts, now
            return False
        goes_on = counts.shown - self._counts.shown >= SOURCE_FRAMES
        return now - self.since > patience_s and counts.taken > self._counts.taken and goes_on


class Silence:
    """How long nothing came, from looks at a counter."""

    def __init__(self, now: float) -> None:
        self._frames = 0
        self._since = now

    def lasts(self, frames: int, now: float) -> float:
        """Seconds since the counter was last seen to move, or since the start."""
        if frames != self._frames:
            self._frames, self._since = frames, now
        return now - self._since
