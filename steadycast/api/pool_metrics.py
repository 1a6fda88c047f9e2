"""Pools as metric families. A pool's name is a label: there are 32 at most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from steadycast.leases.pools import Evicted
from steadycast.lobbies.pool_views import PoolView

_STATES = ("lent", "idle", "waiting")
_TOTALS = (
    ("created", "Things that were made, also in advance."),
    ("reused", "Loans of a thing that was there already."),
    ("missed", "Times that one was wanted and none was idle."),
    ("refused", "Requests refused because all are lent."),
    ("expired", "Requests that waited in vain."),
    ("failed", "Things that could not be made."),
)


def pool_families(pools: Iterable[PoolView]) -> Iterator[Metric]:
    """All families of the pools, as of now."""
    pools = tuple(pools)
    now = GaugeMetricFamily(
        "steadycast_pool_things", "Things of a pool: lent, idle; and who waits.", labels=["pool", "state"]
    )
    limit = GaugeMetricFamily(
        "steadycast_pool_limit", "Most things of a pool, lent and idle together.", labels=["pool"]
    )
    most = GaugeMetricFamily("steadycast_pool_high_water", "Most things at the same time.", labels=["pool"])
    for pool in pools:
        for state in _STATES:
            now.add_metric([pool.name, state], getattr(pool, state))
        limit.add_metric([pool.name], pool.total)
        most.add_metric([pool.name], pool.high_water)
    yield from (now, limit, most)
    for name, text in _TOTALS:
        family = CounterMetricFamily(f"steadycast_pool_{name}", text, labels=["pool"])
        for pool in pools:
            family.add_metric([pool.name], getattr(pool, name))
        yield family
    evicted = CounterMetricFamily("steadycast_pool_evicted", "Things not kept any more.", labels=["pool", "why"])
    for pool in pools:
        for why in Evicted:
            evicted.add_metric([pool.name, why.value], pool.evicted.get(why.value, 0))
    yield evicted
