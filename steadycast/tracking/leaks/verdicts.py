"""What every detector answers with: how something grows, how sure that is, since when. One series of one life of an
owner; whoever keeps the findings puts several of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from steadycast.model.findings import Rate, Shape

EXACT, CYCLES, TREND, SLOW = 0, 1, 2, 3  # tiers
LIKELY = 0.05  # chance of those that are worth a look at most


@dataclass(frozen=True, slots=True)
class Verdict:
    """One series judged at one look.

    `tier`: 0 exact counts, 1 bytes a cycle (both page), 2 a trend, 3 daily minima (both only make a suspect).
    `chance` bounds the probability that a series without a leak is ever judged so, over all of its looks (p-like;
    1/e where e is an e-value). `since` is the change point on the monotonic clock of the looks, in seconds; `grown` how
    much of `level` is too much, in the unit of the series. `holds` is False where the growth was there and has stopped
    or gone back. `fills`: a harmless pool that is not full yet would look the same.
    """

    shape: Shape
    tier: int
    chance: float
    since: float | None
    level: float
    grown: float
    per_hour: Rate | None = None
    per_cycle: Rate | None = None
    cycle: str | None = None  # the kind of `per_cycle`
    cycles: int | None = None  # of that kind, since `since`
    evidence: tuple[str, ...] = ()
    holds: bool = True
    fills: bool = False


class OverTime(Protocol):
    """Judges one series against time. `monotonic` in seconds, `load` as in Look. None: there is nothing to tell.

    Answers with a Verdict at each look as long as it grows, and once with `holds` False when that ends.
    """

    def update(self, monotonic: float, value: float, load: Mapping[str, float]) -> Verdict | None: ...

    def restart(self, monotonic: float) -> None:
        """Another life of the owner begins: neither a drop nor a growth."""


class OverCycles(Protocol):
    """Judges one series against what came and went. `finished` and `load` as in Look; `quiet`: all that ended had time
    to be given back. Answers as OverTime does."""

    def update(
        self, monotonic: float, value: float, finished: Mapping[str, int], load: Mapping[str, float], quiet: bool
    ) -> Verdict | None: ...
