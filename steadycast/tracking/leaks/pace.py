"""Which looks at an owner are readings: quiet ones after something ended; without one, the calmest of a few."""

from __future__ import annotations

from steadycast.model.series import Look

BUSY = 8  # things that ended without a quiet look


class Pace:
    """Of one life of one owner."""

    __slots__ = ("_ended", "_least", "peak", "reading")

    def __init__(self) -> None:
        self.peak = 0.0  # most that was active at once
        self.reading: Look | None = None  # the last one
        self._ended = 0
        self._least: tuple[float, Look] | None = None  # the calmest since then

    def take(self, look: Look) -> Look | None:
        """The look to be taken as a reading now, mostly this one."""
        active = activity(look)
        self.peak = max(self.peak, active)
        ended = sum(look.finished.values())
        if ended <= self._ended:
            if ended < self._ended:
                self._ended, self._least = ended, None  # counted anew
            return None
        if look.quiet:
            return self._take(look, ended)
        if self._least is None or active <= self._least[0]:
            self._least = active, look
        if ended - self._ended >= BUSY:
            return self._take(self._least[1], sum(self._least[1].finished.values()))
        return None

    def _take(self, look: Look, ended: int) -> Look:
        self._ended, self._least, self.reading = ended, None, look
        return look


def activity(look: Look) -> float:
    """How many things it works on; what only flows is not counted."""
    return sum(many for name, many in look.load.items() if name != "bitrate")
