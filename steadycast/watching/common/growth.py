"""What judges a series of somebody else's server against time: for minutes as for weeks."""

from __future__ import annotations

from collections.abc import Mapping

from steadycast.model import Unit
from steadycast.tracking.leaks.climb import Climb
from steadycast.tracking.leaks.demands import TrendPolicy
from steadycast.tracking.leaks.trend import Trend
from steadycast.tracking.leaks.verdicts import OverTime, Verdict


class Growth(Trend):
    """A trend, and until there is one what climbs within minutes: of other people's servers often nothing else is
    known, neither sessions nor load."""

    def __init__(self, unit: Unit, policy: TrendPolicy | None = None) -> None:
        super().__init__(unit, policy)
        self._climb = Climb(unit)

    def update(self, monotonic: float, value: float, load: Mapping[str, float]) -> Verdict | None:
        slow, quick = super().update(monotonic, value, load), self._climb.update(monotonic, value, load)
        if slow is None or (not slow.holds and quick is not None and quick.holds):
            return quick
        return slow

    def restart(self, monotonic: float) -> None:
        super().restart(monotonic)
        self._climb = Climb(self.unit)


def over_time(unit: Unit) -> OverTime | None:
    """None for what is a share of something: it ends by itself."""
    return None if unit is Unit.RATIO else Growth(unit)
