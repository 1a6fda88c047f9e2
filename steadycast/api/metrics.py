"""`/metrics` for Prometheus, made of `Lobbies.statistics()` when asked. Labels are bounded: no viewer, few lobbies."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from steadycast import __version__
from steadycast.api.encoder_metrics import encoder_families
from steadycast.api.finding_metrics import finding_families
from steadycast.api.pool_metrics import pool_families
from steadycast.api.receipt_metrics import receipt_families
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.views import LobbiesStatistics, LobbyView
from steadycast.model import LobbyState, WorkerKind
from steadycast.upkeep.upkeep import Upkeep

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LOBBIES = 64  # lobbies with lines of their own; the rest are in the totals


class LobbiesCollector(Collector):
    """The lobbies room as metric families."""

    def __init__(self, lobbies: Lobbies, began: float, upkeep: Upkeep | None) -> None:
        self._lobbies = lobbies
        self._upkeep = upkeep
        self._began = began

    def describe(self) -> list[Metric]:
        """Nothing: what it collects is looked at only when asked for, not when it is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families, as of now."""
        statistics = self._lobbies.statistics()
        yield _labelled(GaugeMetricFamily("steadycast_info", "Version.", labels=["version"]), {__version__: 1})
        uptime = time.monotonic() - self._began
        yield GaugeMetricFamily("steadycast_uptime_seconds", "Time since the host started.", value=uptime)
        yield from _gauges(statistics)
        yield from _counters(statistics)
        yield from receipt_families(statistics.receipts)
        yield from _lobbies(self._lobbies.list(None, LOBBIES).items)
        yield from encoder_families(self._lobbies.encoders_statistics())
        yield from pool_families(self._lobbies.pools())
        if self._upkeep is not None:
            yield from finding_families(self._upkeep.statistics())


def _gauges(statistics: LobbiesStatistics) -> Iterator[Metric]:
    states = {state.value: statistics.lobbies.get(state.value, 0) for state in LobbyState}
    yield _labelled(GaugeMetricFamily("steadycast_lobbies", "Lobbies by state.", labels=["state"]), states)
    viewers = GaugeMetricFamily("steadycast_viewers", "Viewers by protocol.", labels=["protocol"])
    yield _labelled(viewers, statistics.viewers)
    running = statistics.renditions_running
    yield GaugeMetricFamily("steadycast_renditions_running", "Renditions that are made now.", value=running)
    over, text = statistics.renditions_over_budget, "Renditions that keep more reference frames than they may."
    yield GaugeMetricFamily("steadycast_renditions_over_budget", text, value=over)
    limited, text = statistics.renditions_limited, "Renditions with less than their own bitrate, for a viewer's way."
    yield GaugeMetricFamily("steadycast_renditions_limited", text, value=limited)
    kinds = {kind.value: sum(w.kind == kind for w in statistics.workers) for kind in WorkerKind}
    yield _labelled(GaugeMetricFamily("steadycast_workers", "Worker processes by kind.", labels=["kind"]), kinds)
    listeners = statistics.event_subscribers
    yield GaugeMetricFamily("steadycast_event_subscribers", "Listeners of the event stream.", value=listeners)
    waiting, text = statistics.removals_waiting, "Deleted lobbies that are still in the store."
    yield GaugeMetricFamily("steadycast_removals_waiting", text, value=waiting)


def _counters(statistics: LobbiesStatistics) -> Iterator[Metric]:
    for name, text, value in (
        (
            "steadycast_worker_restarts",
            "Tries to bring back what was lost.",
            statistics.restarts_total,
        ),
        ("steadycast_workers_died", "Workers that died by themselves: crashes.", statistics.workers_died_total),
        ("steadycast_viewers_seen", "Viewers that ever came.", statistics.viewers_total),
        ("steadycast_events", "Events that happened.", statistics.events_total),
        (
            "steadycast_event_subscribers_dropped",
            "Listeners dropped because they were too slow.",
            statistics.event_subscribers_dropped_total,
        ),
    ):
        yield CounterMetricFamily(name, text, value=value)
    recycles = CounterMetricFamily("steadycast_recycles", "Workers replaced.", labels=["cause", "outcome"])
    for labels, count in statistics.recycles_total.items():
        recycles.add_metric(labels, count)
    yield recycles
    text = "Bitrates that were changed for what the ways to viewers carry."
    changes = CounterMetricFamily("steadycast_rendition_bitrate_changes", text, labels=["direction"])
    yield _labelled(changes, statistics.bitrate_changes_total)
    text = "Viewers brought to a smaller rendition because of their way, and back."
    turned = CounterMetricFamily("steadycast_viewers_turned", text, labels=["direction"])
    yield _labelled(turned, statistics.viewers_turned_total)
    refused = CounterMetricFamily("steadycast_refused", "Requests refused by error code.", labels=["code"])
    yield _labelled(refused, statistics.refused_total)
    receipts = CounterMetricFamily("steadycast_receipts", "Receipts of ended workers.", labels=["result"])
    yield _labelled(receipts, statistics.receipts_total)


def _lobbies(views: tuple[LobbyView, ...]) -> Iterator[Metric]:
    viewers = GaugeMetricFamily("steadycast_lobby_viewers", "Viewers of a lobby.", labels=["lobby"])
    streaming = GaugeMetricFamily("steadycast_lobby_streaming", "1: the lobby is STREAMING.", labels=["lobby"])
    restarts = GaugeMetricFamily("steadycast_lobby_restarts", "Restarts of a lobby's worker.", labels=["lobby"])
    producing = GaugeMetricFamily("steadycast_lobby_producer", "1: a program pushes into the lobby.", labels=["lobby"])
    text = "Pictures that programs pushed, by what became of them, since the lobby's worker began."
    pictures = CounterMetricFamily("steadycast_lobby_pictures", text, labels=["lobby", "outcome"])
    for view in views:
        if (push := view.push) is not None:
            name, refused = view.key or view.id, sum(push.refused.values())
            producing.add_metric([name], push.producer is not None)
            for outcome, count in (("shown", push.shown), ("dropped", push.dropped), ("refused", refused)):
                pictures.add_metric([name, outcome], count)
        label = [view.key or view.id]
        viewers.add_metric(label, view.viewers)
        streaming.add_metric(label, view.state == LobbyState.STREAMING)
        restarts.add_metric(label, view.restarts)
    yield from (viewers, streaming, restarts, producing, pictures)


def _labelled(family: GaugeMetricFamily | CounterMetricFamily, values: dict[str, int]) -> Metric:
    for label, value in values.items():
        family.add_metric([label], value)
    return family


def router(lobbies: Lobbies, began: float, upkeep: Upkeep | None) -> APIRouter:
    """The metrics of this host, in a registry of its own."""
    registry = CollectorRegistry()
    registry.register(LobbiesCollector(lobbies, began, upkeep))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    api = APIRouter(tags=["system"])

    @api.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counters in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=MEDIA_TYPE)

    return api
