"""Receipts as metric families."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from steadycast.lobbies.receipt_counts import END_SECONDS, ReceiptStatistics


def receipt_families(statistics: ReceiptStatistics) -> Iterator[Metric]:
    """Outcomes, residue, and how long workers took to end."""
    text = "Receipts by what they are of: clean, residue, or unknown where not all could be compared."
    outcomes = CounterMetricFamily("steadycast_receipts_by_subject", text, labels=["subject", "outcome"])
    for subject, counts in statistics.outcomes.items():
        for outcome, count in counts.items():
            outcomes.add_metric([subject, outcome], count)
    yield outcomes
    residue = CounterMetricFamily("steadycast_receipt_residue", "Things that stayed, by check.", labels=["check"])
    for check, count in statistics.residue.items():
        residue.add_metric([check], count)
    yield residue
    ends = HistogramMetricFamily("steadycast_end_seconds", "From asked to end until the receipt.", labels=["kind"])
    bounds = [*(str(bound) for bound in END_SECONDS), "+Inf"]
    for kind, times in statistics.ends.items():
        ends.add_metric([kind], list(zip(bounds, accumulate(times.classes), strict=True)), times.sum)
    yield ends
