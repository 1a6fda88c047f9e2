"""How often a keyframe may be asked for."""

from __future__ import annotations

KEYFRAME_INTERVAL_S = 0.5  # at most twice a second a track


class KeyframeLimit:
    """Coalesces requests for keyframes of one track: the first is due at once, those inside the window at its end.

    A request that a keyframe of the track answered before it was due is forgotten.
    """

    def __init__(self, interval: float = KEYFRAME_INTERVAL_S) -> None:
        self._interval = interval
        self._asked: float | None = None
        self._wanted = False

    def want(self, now: float) -> None:
        """Note that somebody needs a keyframe."""
        self._wanted = True

    def arrived(self) -> None:
        """A keyframe came: whoever waited has it now."""
        self._wanted = False

    def due_in(self, now: float) -> float | None:
        """Seconds until a request must be sent (0: now); None if nobody wants one."""
        if not self._wanted:
            return None
        if self._asked is None:
            return 0.0
        return max(0.0, self._asked + self._interval - now)

    def take(self, now: float) -> bool:
        """Whether to send a request now; if so it counts as sent."""
        if self.due_in(now) != 0.0:
            return False
        self._asked = now
        self._wanted = False
        return True
