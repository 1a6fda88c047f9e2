"""How much a pool may hold, and how much less where the host is short of something."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

MOST = 1_000_000  # things; more is a mistake
# Share of the last 10 s in which some task waited for memory (PSI `some avg10`): a host that swaps or reclaims.
MEDIUM_STALL, HIGH_STALL = 0.10, 0.40
MEDIUM_FULL, HIGH_FULL = 0.85, 0.95  # share of a limit (control group, VRAM, RAM) that is in use


class Pressure(IntEnum):
    """How short the host is: at `MEDIUM` half as much is kept idle, at `HIGH` nothing."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one pool. `total` are lent and idle things together, `idle` those kept for the next, `keys` the different keys
    of idle ones, `waiting` those who may wait. Seconds: `age_s` since it was made, `idle_s` since it was given back;
    `uses` are loans of one thing. None: no bound. `total_medium` and `total_high` are in force under pressure.

    Raises ValueError for what makes no sense; a pool of 0 is one that refuses everybody.
    """

    total: int
    idle: int
    keys: int = 64
    waiting: int = 64
    age_s: float | None = None
    idle_s: float | None = None
    uses: int | None = None
    total_medium: int | None = None
    total_high: int | None = None

    def __post_init__(self) -> None:
        for name in ("total", "idle", "waiting"):
            if not 0 <= getattr(self, name) <= MOST:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be from 0 to {MOST:,}")
        if self.keys < 1:
            raise ValueError(f"keys is {self.keys}; it must be at least 1")
        for name in ("age_s", "idle_s", "uses"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be above 0, or None for no bound")
        for name in ("total_medium", "total_high"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= self.total:
                raise ValueError(f"{name} is {value}; it must be from 0 to total ({self.total})")

    def total_at(self, pressure: Pressure) -> int:
        """How many there may be then."""
        medium = self.total if self.total_medium is None else self.total_medium
        high = medium if self.total_high is None else min(medium, self.total_high)
        return (self.total, medium, high)[pressure]

    def idle_at(self, pressure: Pressure) -> int:
        """How many may be kept then."""
        return (self.idle, self.idle // 2, 0)[pressure]


def host_pressure(stalled: float | None = None, *full: float | None) -> Pressure:
    """What the host says: `stalled` is the share of time that some task waited for memory (PSI `some avg10` / 100),
    each of `full` the share of a limit that is used. None: not known, which is no pressure."""
    worst = Pressure.LOW
    for value, medium, high in ((stalled, MEDIUM_STALL, HIGH_STALL), *((one, MEDIUM_FULL, HIGH_FULL) for one in full)):
        if value is not None and value >= medium:
            worst = max(worst, Pressure.HIGH if value >= high else Pressure.MEDIUM)
    return worst
