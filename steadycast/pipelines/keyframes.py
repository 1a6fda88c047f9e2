"""How often an encoder is asked for a keyframe. Pure: time is an argument, in seconds."""

from __future__ import annotations

INTERVAL_S = 0.5  # at most twice a second a track: each costs several times the bits of another frame
FRESH_S = 0.3  # a new reader is shown from a keyframe this young on; else a new one is made for it


class KeyframeGate:
    """Requests that come too early are put together into one that is sent when it is allowed; none is lost."""

    def __init__(self) -> None:
        self._sent: float | None = None
        self._waiting = False

    def ask(self, now: float) -> float | None:
        """Seconds until `take` is to be called (0: now); None where an earlier request waits already."""
        if self._waiting:
            return None
        self._waiting = True
        return 0.0 if self._sent is None else max(0.0, self._sent + INTERVAL_S - now)

    def take(self, now: float) -> None:
        """The request goes out now."""
        self._sent = now
        self._waiting = False


def is_fresh(keyframe_at: float | None, now: float) -> bool:
    """Whether a reader that joins now can begin at the latest keyframe without being behind."""
    return keyframe_at is not None and now - keyframe_at < FRESH_S
