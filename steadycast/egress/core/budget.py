"""How much unsent data a viewer may have, and what follows when it has more."""

from __future__ import annotations


class Budget:
    """Judges one viewer's queue. Over `limit` bytes it gets nothing more until a keyframe comes with the queue below.

    Over it for `stalled_s` without a break, `stalled` says that the viewer must go.
    """

    __slots__ = ("_over_since", "_stalled_s", "limit")

    def __init__(self, limit: int, stalled_s: float) -> None:
        self.limit = limit
        self._stalled_s = stalled_s
        self._over_since: float | None = None

    def over(self, queued: int, now: float) -> bool:
        """Whether `queued` unsent bytes are too many."""
        if queued <= self.limit:
            self._over_since = None
            return False
        if self._over_since is None:
            self._over_since = now
        return True

    def stalled(self, now: float) -> bool:
        """Whether the viewer has been over its budget too long, as of the last `over`."""
        return self._over_since is not None and now - self._over_since >= self._stalled_s
