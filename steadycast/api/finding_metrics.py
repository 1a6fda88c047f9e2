"""Tracking, findings and history as metric families. Labels are words of the program: no roles, no ids."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from steadycast.upkeep.upkeep import UpkeepStatistics


def finding_families(statistics: UpkeepStatistics) -> Iterator[Metric]:
    """Open findings, what became of findings, and how well the host looks at itself."""
    text = "Findings that are open: suspects wait for a probe, confirmed ones are leaks."
    still = GaugeMetricFamily("steadycast_findings_open", text, labels=["state"])
    for state, count in statistics.findings.items():
        still.add_metric([state], count)
    yield still
    changes = CounterMetricFamily("steadycast_finding_changes", "Changes of findings.", labels=["change"])
    for change, count in statistics.changes.items():
        changes.add_metric([change], count)
    yield changes
    sampler, judged, history = statistics.sampler, statistics.judged, statistics.history
    for name, text, value in (
        ("steadycast_tracked_processes", "Processes that are looked at.", sampler.processes),
        ("steadycast_tracked_series", "Series that are judged.", judged.series),
        ("steadycast_look_seconds", "How long the last round of looks took.", sampler.last_took_s),
        ("steadycast_reads_left_behind", "Reads of /proc or drivers that do not come back.", sampler.left_behind),
        ("steadycast_history_series", "Series in the history.", history.series),
        ("steadycast_history_waiting", "Values that are not written yet.", history.waiting),
    ):
        yield GaugeMetricFamily(name, text, value=value)
    if history.file_bytes is not None:
        yield GaugeMetricFamily("steadycast_history_bytes", "Size of the history's file.", value=history.file_bytes)
    for name, text, value in (
        ("steadycast_looks", "Looks at processes and devices.", sampler.looks),
        ("steadycast_history_lost", "Values that could not be kept.", history.lost),
        ("steadycast_findings_recycled", "Workers asked to be replaced because of a finding.", statistics.recycled),
        ("steadycast_webhook_told", "Changes of findings that the webhook took.", statistics.webhook_told),
        ("steadycast_webhook_lost", "Changes of findings that the webhook did not take.", statistics.webhook_lost),
    ):
        yield CounterMetricFamily(name, text, value=value)
