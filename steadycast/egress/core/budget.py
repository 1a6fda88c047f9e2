"""How much unsent data a viewer may have, and what follows when it has more."""

from __future__ import annotations

STEP_S = 2.0  # most that counts between two looks: a longer time may be one in which this process did not run


class Budget:
    """Judges one viewer's queue. Over `limit` bytes it gets nothing more until a keyframe comes with the queue below.

    Over it for `stalled_s` without a break, `stalled` says that the viewer must go.
    """

    __slots__ = ("_over_s", "_seen", "_stalled_s", "_step", "limit")

    def __init__(self, limit: int, stalled_s: float) -> None:
        self.limit = limit
        self._stalled_s = stalled_s
        self._step = min(STEP_S, stalled_s / 4)
        self._over_s = 0.0
        self._seen: float | None = None  # the last look, where that was over it

    def over(self, queued: int, now: float) -> bool:
        """Whether `queued` unsent bytes are too many."""
        if queued <= self.limit:
            self._seen = None
            return False
        if self._seen is None:
            self._over_s = 0.0
        else:
            self._over_s += min(self._step, now - self._seen)
        self._seen = now
        return True

    @property
    def stalled(self) -> bool:
        """Whether the viewer has been over its budget too long, as of the last `over`."""
        return self._seen is not None and self._over_s >= self._stalled_s
