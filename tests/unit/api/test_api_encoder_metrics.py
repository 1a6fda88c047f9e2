"""Metrics of devices and admissions, read the way Prometheus reads them."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
from prometheus_client.parser import text_string_to_metric_families

from steadycast.leases.decisions import Denial
from steadycast.leases.pools import Bounds, Pool, Pressure
from steadycast.lobbies.device_views import BreakerView
from tests.support.memory_devices import a_device, a_place, an_admission, the_cpu
from tests.support.memory_lobbies import MemoryLobbies

Samples = dict[tuple[str, tuple[str, ...]], float]


async def scrape(client: httpx.AsyncClient) -> Samples:
    """All by name and the values of their labels, by label. Each family has help, a type and no sample twice."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    samples: Samples = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge", "info", "histogram"), family.name
        for sample in family.samples:
            assert re.fullmatch(r"[a-z][a-z0-9_]*", sample.name)
            counts = family.type == "counter"
            assert not sample.name.startswith("steadycast") or counts == sample.name.endswith("_total")
            key = (sample.name, tuple(sample.labels.values()))
            assert key not in samples
            samples[key] = sample.value
    return samples


async def test_devices_as_they_are(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    rooms.device_views = [a_device(breaker=BreakerView("latched", 3, 5)), the_cpu()]
    got = await scrape(client)
    sessions = {labels: value for (name, labels), value in got.items() if name == "steadycast_encoder_sessions"}
    assert sessions == {
        ("simulated:0", "lent"): 2, ("simulated:0", "foreign"): 1, ("simulated:0", "seen"): 3, ("software", "lent"): 1,
    }  # fmt: skip
    limits = {labels: value for (name, labels), value in got.items() if name == "steadycast_encoder_session_limit"}
    assert limits == {("learned", "simulated"): 3}  # what has no limit has no line
    vram = {labels for name, labels in got if name == "steadycast_device_vram_bytes"}
    assert vram == {("simulated:0", state) for state in ("total", "used", "lent")}
    breaker = {labels: v for (name, labels), v in got.items() if name == "steadycast_device_breaker_state"}
    assert breaker[("simulated:0", "latched")] == 1
    assert sum(v for (device, _), v in breaker.items() if device == "simulated:0") == 1
    assert got[("steadycast_cpu_pixels_per_second", ("budget",))] == 300e6
    assert got[("steadycast_cpu_pixels_per_second", ("lent",))] == 0


async def test_counters(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    rooms.admission_views = [an_admission(1, "l1", "grant"), an_admission(2, "l1"), an_admission(3, "l2")]
    rooms.places = [a_place("l9")]
    got = await scrape(client)
    expected: Samples = {
        ("steadycast_admissions_total", ("ok", "grant")): 1,
        ("steadycast_admissions_total", ("encoder_sessions", "fallback")): 2,
        ("steadycast_encoder_fallbacks_total", ("encoder_sessions",)): 2,
        ("steadycast_encoder_promotions_total", ("done",)): 1,
        ("steadycast_encoder_promotions_total", ("failed",)): 0,
        ("steadycast_encoder_failures_total", ("encoder.incompatible_client_key",)): 2,
        ("steadycast_encoder_copies_total", ()): 1,
        ("steadycast_encoder_queue_length", ()): 1,
        ("steadycast_encoder_queue_left_total", ("timeout",)): 1,
        ("steadycast_encoder_queue_wait_seconds_total", ()): 2.5,
        ("steadycast_lease_drift_total", ("unseen",)): 1,
    }
    assert {key: got.get(key) for key in expected} == expected
    assert {labels[0] for name, labels in got if name == "steadycast_admissions_total"} <= {"ok", *Denial}


async def test_a_thousand_devices_stay_few_lines(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    rooms.device_views = [a_device(id=f"x:{n:04d}", pool=f"x:{n:04d}") for n in range(1000)]
    rooms.device_views[999] = replace(rooms.device_views[999], sessions_seen=None)
    got = await scrape(client)
    devices = {labels[0] for name, labels in got if name == "steadycast_encoder_sessions"}
    assert len(devices) == 65
    assert got[("steadycast_encoder_sessions", ("other", "lent"))] == 2 * 936
    assert got[("steadycast_encoder_sessions", ("other", "seen"))] == 3 * 935
    assert got[("steadycast_encoder_session_limit", ("learned", "other"))] == 3 * 936
    assert got[("steadycast_device_breaker_state", ("other", "closed"))] == 936
    assert sum(v for (name, _), v in got.items() if name == "steadycast_encoder_sessions") == 1000 * 6 - 3


async def test_nothing_is_known_yet(client: httpx.AsyncClient) -> None:
    got = await scrape(client)
    assert not [labels for name, labels in got if name == "steadycast_encoder_session_limit"]
    assert got[("steadycast_encoder_queue_length", ())] == 0


async def test_a_name_with_quotes_cannot_break_a_line(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    odd = 'va:"a"\\\nsteadycast_x 1'
    rooms.device_views = [a_device(id=odd)]
    assert (await scrape(client))[("steadycast_encoder_sessions", (odd, "lent"))] == 2


async def test_pools(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    pool: Pool[str, list[int]] = Pool(Bounds(total=2, idle=2))
    rooms.pooled.add("things", pool.statistics, pool.press)
    assert pool.stock("a", [1], 0.0) and pool.stock("a", [2], 0.0)
    loan = pool.take("a", "somebody", 1.0)
    assert loan is not None
    rooms.pooled.press(Pressure.HIGH, 2.0)
    got = {key: value for key, value in (await scrape(client)).items() if key[0].startswith("steadycast_pool_")}
    assert got[("steadycast_pool_things", ("things", "lent"))] == 1
    assert got[("steadycast_pool_things", ("things", "idle"))] == 0
    assert got[("steadycast_pool_created_total", ("things",))] == 2
    assert got[("steadycast_pool_reused_total", ("things",))] == 1
    assert got[("steadycast_pool_evicted_total", ("things", "pressure"))] == 1
    assert got[("steadycast_pool_high_water", ("things",))] == 2
    (listed,) = (await client.get("/api/v1/pools")).json()["items"]
    assert (listed["name"], listed["pressure"], listed["reuse"], listed["evicted"]) == (
        "things", "high", 1.0, {"pressure": 1},
    )  # fmt: skip
