"""What a pool tells of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Now: `lent`, `idle`, `waiting`, `keys` of idle ones, `pressure` (0 low, 1 medium, 2 high). Since it was made:
    `created`, `reused`, `failed` (could not be made), `refused`, `expired` (waited in vain), `evicted` by why,
    `high_water` (most at the same time, lent and idle). `total` is the bound now."""

    total: int
    lent: int
    idle: int
    waiting: int
    keys: int
    pressure: int
    high_water: int
    created: int
    reused: int
    failed: int
    refused: int
    expired: int
    evicted: Mapping[str, int]

    @property
    def reuse(self) -> float | None:
        """Share of loans that were no new thing, 0 to 1; None before the first."""
        loans = self.created + self.reused
        return self.reused / loans if loans else None

    @property
    def fill(self) -> float | None:
        """Share of the bound that is lent; None for a pool of 0."""
        return self.lent / self.total if self.total else None
