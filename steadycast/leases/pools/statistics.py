"""What a pool tells of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Now: `lent`, `idle`, `waiting`, `keys` of idle ones, `pressure` (0 low, 1 medium, 2 high). Since it was made:
    `created` (of these `stocked` in advance), `reused`, `parted` (left with their holder), `failed` (could not be
    made), `refused`, `missed` (none was idle, and none to be made), `expired` (waited in vain), `evicted` by why,
    `high_water` (most at the same time, lent and idle). `total` is the bound now, `keeps` that of idle ones."""

    total: int
    keeps: int
    lent: int
    idle: int
    waiting: int
    keys: int
    pressure: int
    high_water: int
    created: int
    stocked: int
    parted: int
    reused: int
    failed: int
    refused: int
    missed: int
    expired: int
    evicted: Mapping[str, int]

    @property
    def reuse(self) -> float | None:
        """Share of those who came that had one at once, 0 to 1; None before the first."""
        loans = self.created - self.stocked + self.reused + self.missed
        return self.reused / loans if loans else None

    @property
    def fill(self) -> float | None:
        """Share of the bound that is lent; None for a pool of 0."""
        return self.lent / self.total if self.total else None
