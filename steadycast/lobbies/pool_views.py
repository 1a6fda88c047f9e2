"""Pools as callers see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from steadycast.leases.pools import PoolStatistics, Pressure


@dataclass(frozen=True, slots=True)
class PoolView:
    """Now: `total` may there be, `keeps` of them idle, `lent`, `idle`, `waiting`, and the `pressure` that shrinks it.

    Since the host began: `created` (of these `stocked` in advance), `reused`, `parted` (left with their holder),
    `failed` to be made, `refused`, `missed` (none was idle), `expired` (waited in vain), `evicted` by why, and
    `high_water`, the most at the same time. `reuse`: the share of those who came that had one at once; None before the
    first.
    """

    name: str
    total: int
    keeps: int
    lent: int
    idle: int
    waiting: int
    keys: int
    pressure: str
    high_water: int
    created: int
    stocked: int
    reused: int
    parted: int
    failed: int
    refused: int
    missed: int
    expired: int
    evicted: dict[str, int]
    reuse: float | None


def pool_views(told: Mapping[str, PoolStatistics]) -> tuple[PoolView, ...]:
    """Of each pool, in the order in which they came."""
    return tuple(_view(name, one) for name, one in told.items())


def _view(name: str, one: PoolStatistics) -> PoolView:
    told = asdict(one) | {"evicted": dict(one.evicted), "pressure": Pressure(one.pressure).name.lower()}
    return PoolView(name, **told, reuse=one.reuse)
