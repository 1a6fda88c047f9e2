"""Whether an encoder still makes something of what it takes. Pure; seconds are monotonic."""

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
