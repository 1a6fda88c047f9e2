"""Pools as callers see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    return PoolView(
        name=name,
        total=one.total,
        keeps=one.keeps,
        lent=one.lent,
        idle=one.idle,
        waiting=one.waiting,
        keys=one.keys,
        pressure=Pressure(one.pressure).name.lower(),
        high_water=one.high_water,
        created=one.created,
        stocked=one.stocked,
        reused=one.reused,
        parted=one.parted,
        failed=one.failed,
        refused=one.refused,
        missed=one.missed,
        expired=one.expired,
        evicted=dict(one.evicted),
        reuse=one.reuse,
    )
