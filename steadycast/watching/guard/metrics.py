"""`/metrics` of guard for Prometheus. Labels are bounded: causes, kinds, and the names in the policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from steadycast.watching.guard.budget import counted
from steadycast.watching.guard.facts import Presence
from steadycast.watching.guard.record import clock

if TYPE_CHECKING:
    from steadycast.watching.guard.keeper import Keeper

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class GuardCollector(Collector):
    """One keeper as metric families. What is not known has no value."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def describe(self) -> list[Metric]:
        """Nothing: it is looked at only when asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families, as of now."""
        keeper = self._keeper
        server, memory = keeper.server, keeper.memory
        present = GaugeMetricFamily("steadycast_guard_server", "The server by presence.", labels=["presence"])
        for one in Presence:
            present.add_metric([one.value], float(server.presence is one))
        yield present
        yield _gauge("latched", "Nothing more is done until a person resets it.", memory.latch is not None)
        yield _gauge("paused", "A person paused it.", memory.paused)
        budget = keeper.policy.budget
        yield _gauge("budget_used", "Restarts within the window.", counted(budget, memory, clock()))
        yield _gauge("budget", "Restarts that may be within the window.", budget.restarts)
        if server.since is not None and server.presence is Presence.RUNNING:
            yield _gauge("server_age_seconds", "Since its start.", clock() - server.since)
        if keeper.watchers.watching.number is not None:
            yield _gauge("watching", "How many watch.", keeper.watchers.watching.number)
        starts = CounterMetricFamily("steadycast_guard_starts", "What was done, by cause.", labels=["what", "cause"])
        for (what, cause), number in keeper.counts.items():
            starts.add_metric([what, cause], number)
        yield starts
        events = CounterMetricFamily("steadycast_guard_events", "Entries by kind.", labels=["kind"])
        for kind, number in keeper.journal.counts.items():
            events.add_metric([kind], number)
        yield events
        yield from self._health()

    def _health(self) -> Iterator[Metric]:
        well = GaugeMetricFamily("steadycast_guard_health", "1 well, 0 failed; absent: cannot tell.", labels=["probe"])
        failures = GaugeMetricFamily("steadycast_guard_health_failures", "Failures in a row.", labels=["probe"])
        unknown = CounterMetricFamily("steadycast_guard_health_unknown", "Answers that told nothing.", labels=["probe"])
        for one in self._keeper.watchers.health:
            if one.health.ok is not None:
                well.add_metric([one.health.name], float(one.health.ok))
            failures.add_metric([one.health.name], one.health.failures)
            unknown.add_metric([one.health.name], one.unknown)
        yield well
        yield failures
        yield unknown
        leaks = self._keeper.watchers.leaks
        if leaks is not None:
            states = GaugeMetricFamily("steadycast_guard_findings", "Findings by state.", labels=["state"])
            found = [finding.state.value for finding in leaks.findings]
            for state in sorted(set(found)):
                states.add_metric([state], found.count(state))
            yield states


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"steadycast_guard_{name}", text, value=float(value))


def metrics_text(keeper: Keeper) -> bytes:
    """The page."""
    registry = CollectorRegistry()
    registry.register(GuardCollector(keeper))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
