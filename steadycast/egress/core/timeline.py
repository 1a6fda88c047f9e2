"""One axis of time for all tracks of a lobby, whichever worker makes them."""

from __future__ import annotations

from math import lcm

EPOCHS = 8  # clocks remembered a lobby; older ones have no bus any more
_RATES = lcm(90_000, 48_000)
# RTP timestamps wrap, at another time for each clock rate. Running times of one clock that were read from wrapped
# timestamps differ by multiples of this (5,965 s), so the nearest multiple to what is expected is exact.
WRAP_S = 2**32 / _RATES


class Timeline:
    """Maps running times of epochs to seconds on one axis. An axis second is always the same Unix time, so sender
    reports of all tracks agree before and after a worker was replaced."""

    def __init__(self, wall_offset: float) -> None:
        """`wall_offset` is Unix time minus the clock that `now` is read from."""
        self._wall_offset = wall_offset
        self._wall_origin: float | None = None
        self._shifts: dict[str, float] = {}
        self._seconds = 0.0
        self._now = 0.0

    def expected(self, now: float) -> float | None:
        """Where the axis should be at `now`, from the last frame of any track; None before the first frame."""
        if self._wall_origin is None:
            return None
        return self._seconds + max(0.0, now - self._now)

    def shift(self, epoch: str, running: float, target: float, now: float) -> float:
        """What to add to the running times of a track of `epoch` that begins with `running`.

        The first track of an epoch is put at `target` (axis seconds) and decides for the others.
        """
        if epoch not in self._shifts:
            while len(self._shifts) >= EPOCHS:
                del self._shifts[next(iter(self._shifts))]
            self._shifts[epoch] = target - running
        shift = self._shifts[epoch]
        expected = self.expected(now)
        if expected is not None:
            shift += round((expected - running - shift) / WRAP_S) * WRAP_S
        return shift

    def note(self, seconds: float, now: float) -> float:
        """A frame of `seconds` came at `now`; its Unix time."""
        self._seconds = seconds
        self._now = now
        if self._wall_origin is None:
            self._wall_origin = now + self._wall_offset - seconds
        return self._wall_origin + seconds
