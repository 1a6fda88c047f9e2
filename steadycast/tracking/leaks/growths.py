"""What one window of a series says, and how that is told."""

from __future__ import annotations

import math
from dataclasses import dataclass

from steadycast.tracking.leaks.cause import odds_of


@dataclass(frozen=True, slots=True)
class Growth:
    """What one window says: growth since the hinge, its standard error, hours since the hinge, and the level now."""

    window: int
    grown: float
    error: float
    hours: float
    level: float
    odds: float = math.log(20)
    steady: float = math.log(20)
    plain: bool = False  # so large over days that its shape was not asked for
    span: float = 1.0  # share of those hours from its first point to its last
    enough: bool = True  # by itself, and not only beside others that say the same


def told(growth: Growth) -> tuple[str, ...]:
    if growth.plain:
        share = growth.grown / growth.level if growth.level else 0.0
        return (f"grew by {share:.0%} of its level in {growth.hours:.3g} h, in all parts of that time",)
    return (
        f"grows for {growth.hours:.3g} h, odds against a step, a plateau or a rhythm {odds_of(growth.odds)}",
        f"odds against growth that slows down {odds_of(growth.steady)}",
    )
