"""Devices, admissions and the line as metric families. What is not known is absent; labels are bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from steadycast.lobbies.device_views import CpuView, DeviceView, EncodersStatistics

DEVICES = 64  # devices (and pools) with lines of their own; the rest are summed
REST = "other"
BREAKER_STATES = ("closed", "open", "trying", "latched")

Row = tuple[str, str, float | None]  # device or pool, second label, value; None: not known


def encoder_families(statistics: EncodersStatistics) -> Iterator[Metric]:
    """All families of the encoders, as of now."""
    yield from _devices(statistics.devices)
    yield from _cpu(statistics.cpu)
    yield from _admissions(statistics)
    yield from _line(statistics)


def _devices(devices: tuple[DeviceView, ...]) -> Iterator[Metric]:
    sessions = GaugeMetricFamily(
        "steadycast_encoder_sessions",
        "Encoder sessions: lent by us, held by other programs, shown by the driver.",
        labels=["device", "state"],
    )
    rows: list[Row] = []
    for d in devices:
        rows += [
            (d.id, "lent", d.sessions_lent),
            (d.id, "foreign", d.sessions_foreign),
            (d.id, "seen", d.sessions_seen),
        ]
    yield _bounded(sessions, rows)
    limit = GaugeMetricFamily(
        "steadycast_encoder_session_limit",
        "Most encoder sessions of a pool, and where the figure comes from.",
        labels=["pool", "origin"],
    )
    pools: dict[str, Row] = {d.pool: (d.pool, d.sessions_limit_origin or "", d.sessions_limit) for d in devices}
    yield _bounded(limit, pools.values())
    vram = GaugeMetricFamily("steadycast_device_vram_bytes", "Video memory.", labels=["device", "state"])
    rows = []
    for d in devices:
        rows += [(d.id, "total", d.vram_total), (d.id, "used", d.vram_used), (d.id, "lent", d.vram_lent)]
    yield _bounded(vram, rows)
    breaker = GaugeMetricFamily(
        "steadycast_device_breaker_state", "1: the device's breaker is in this state.", labels=["device", "state"]
    )
    yield _bounded(breaker, [(d.id, s, float(d.breaker.state == s)) for d in devices for s in BREAKER_STATES])


def _bounded(family: GaugeMetricFamily, rows: Iterable[Row]) -> Metric:
    """The first devices get lines of their own, what is known of the others is summed."""
    own: set[str] = set()
    rest: dict[str, float] = {}
    for name, state, value in rows:
        if name in own or len(own) < DEVICES:
            own.add(name)
            if value is not None:
                family.add_metric([name, state], value)
        elif value is not None:
            rest[state] = rest.get(state, 0) + value
    for state, value in rest.items():
        family.add_metric([REST, state], value)
    return family


def _cpu(cpu: CpuView) -> Iterator[Metric]:
    pixels = GaugeMetricFamily(
        "steadycast_cpu_pixels_per_second", "H.264 pixels a second that software encoders may use.", labels=["state"]
    )
    pixels.add_metric(["budget"], cpu.pixels_per_s)
    pixels.add_metric(["lent"], cpu.lent)
    yield pixels


def _admissions(statistics: EncodersStatistics) -> Iterator[Metric]:
    admitted = CounterMetricFamily(
        "steadycast_admissions", "Decisions who may encode, by result and reason.", labels=["result", "reason"]
    )
    for (result, reason), count in statistics.admissions_total.items():
        admitted.add_metric([result, reason], count)
    yield admitted
    for name, text, label, counts in (
        ("fallbacks", "Software given though hardware is preferred.", "reason", statistics.fallbacks_total),
        ("promotions", "Renditions moved from software to hardware.", "result", statistics.promotions_total),
        ("failures", "Encoders that did not open or failed later.", "fault", statistics.encoder_failures_total),
    ):
        family = CounterMetricFamily(f"steadycast_encoder_{name}", text, labels=[label])
        yield _counted(family, counts)
    copies = "Encoders whose memory went through the CPU though it was planned to stay on the GPU."
    yield CounterMetricFamily("steadycast_encoder_copies", copies, value=statistics.copies_total)
    drift = "Encoder sessions that the books and the driver do not agree on."
    yield _counted(CounterMetricFamily("steadycast_lease_drift", drift, labels=["kind"]), statistics.drift_total)


def _line(statistics: EncodersStatistics) -> Iterator[Metric]:
    waiting = statistics.waiting
    yield GaugeMetricFamily("steadycast_encoder_queue_length", "Requests that wait for an encoder.", value=waiting)
    left = CounterMetricFamily("steadycast_encoder_queue_left", "Requests that left the line.", labels=["how"])
    yield _counted(left, statistics.queue_left_total)
    waited = statistics.queue_wait_seconds_total
    yield CounterMetricFamily(
        "steadycast_encoder_queue_wait_seconds", "Time that was waited in the line.", value=waited
    )


def _counted(family: CounterMetricFamily, counts: dict[str, int]) -> Metric:
    for label, count in counts.items():
        family.add_metric([label], count)
    return family
