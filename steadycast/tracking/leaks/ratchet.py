"""Memory that the allocator keeps after bursts while nothing is lost: worth a note, never a page."""

from __future__ import annotations

from steadycast.model.findings import Shape
from steadycast.tracking.leaks.verdicts import CYCLES, Verdict

_WARM = 600.0  # seconds of a life that are not compared
_LEAST = 32 * 1024.0**2
_FLAT = 0.1  # of what is kept more: so much more in use is flat
_SHARE = 0.5  # of what was in use at first: so much more kept is worth a note


class Ratchet:
    """In use against retained, in one life of an owner."""

    __slots__ = ("_base", "_low", "_since", "_start", "_told")

    def __init__(self) -> None:
        self._start: float | None = None
        self._base: tuple[float, float] | None = None  # in use, retained, when warm
        self._low: tuple[float, float] | None = None  # lowest of both in the last stretch
        self._since = 0.0
        self._told = False

    def update(self, monotonic: float, in_use: float, retained: float) -> Verdict | None:
        """Bytes. Answers as long as much more is kept than at first, and once when that is given back."""
        if self._start is None:
            self._start = self._since = monotonic
        if monotonic - self._start < _WARM:
            return None
        if self._base is None:
            self._base = self._low = in_use, retained
            self._since = monotonic
        assert self._low is not None
        self._low = min(self._low[0], in_use), min(self._low[1], retained)
        if monotonic - self._since < _WARM:
            return None
        low, self._low, self._since = self._low, (in_use, retained), monotonic
        kept, used = low[1] - self._base[1], low[0] - self._base[0]
        ratchet = kept > max(_LEAST, _SHARE * self._base[0]) and used < _FLAT * kept
        if not ratchet and not self._told:
            return None
        self._told = ratchet
        return Verdict(
            Shape.RATCHET,
            CYCLES,
            1.0,
            self._start,
            retained,
            max(0.0, kept),
            evidence=(
                f"the allocator keeps {kept / 2**20:,.0f} MB more than at first, in use are {used / 2**20:+,.0f} MB",
                "malloc_trim would give some of it back; pinned thresholds would not let it come to this",
            ),
            holds=ratchet,
        )
