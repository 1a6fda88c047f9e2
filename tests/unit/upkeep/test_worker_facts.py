"""What is true of a worker's device tells what its log means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steadycast.lobbies.device_views import BreakerView, DeviceView
from steadycast.model import Look, Measured, Owner, Resource
from steadycast.tracking.probes.sampler import Sample
from steadycast.tracking.signatures import Incidents, Matcher, load_table
from steadycast.upkeep.worker_facts import facts_of

REFUSED = b"nvenc: OpenEncodeSessionEx failed: out of memory (10): (no details)\n"


def device(name: str, seen: int | None, limit: int | None = 8) -> DeviceView:
    return DeviceView(
        id=name, vendor="nvidia", name=name, hardware=True, simulated=False, driver="550", node=None, state="ready",
        why=None, hint=None, pool="geforce", sessions_lent=2, sessions_seen=seen, sessions_foreign=None,
        sessions_limit=limit, sessions_limit_origin="learned", foreign=(), vram_total=8 << 30, vram_used=1 << 30,
        vram_lent=None, bar1_total=256 << 20, bar1_used=16 << 20, encoder_utilisation=None, gpu_utilisation=None,
        beliefs=(), breaker=BreakerView("closed", 0, 0), last_refusal=None, weight=1.0,
    )  # fmt: skip


def sample(*held: str) -> Sample:
    values = {Measured(Resource.VRAM, name): 1e8 for name in held}
    return Sample(Look(Owner("lobby:a", "1:1", None), 1000.0, 1.0, values), ())


def test_all_sessions_of_the_pool_count_against_the_cap() -> None:
    facts = facts_of(sample("one"), (device("one", 5), device("two", None)))
    assert (facts.sessions, facts.session_cap, facts.cap_source) == (7, 8, "measured")
    assert (facts.bar1_free, facts.bar1_total) == (240 << 20, 256 << 20)


def test_whose_device_it_is_must_be_known() -> None:
    assert facts_of(sample(), (device("one", 5), device("two", 5))).session_cap is None
    assert facts_of(sample(), (device("one", 5),)).session_cap == 8
    assert facts_of(sample("one"), (replace(device("one", 5), hardware=False),)).session_cap is None
    assert facts_of(sample("one")).sessions is None


@pytest.mark.parametrize(("seen", "why"), [(8, "cap on encoder sessions"), (1, "no memory left")])
def test_a_refusal_is_the_cap_only_where_it_is_reached(seen: int, why: str) -> None:
    facts = replace(facts_of(sample("one"), (device("one", seen),)), descriptors=60, descriptor_limit=4096)
    incidents = Incidents(lambda _: facts)
    (found,) = [made for match in Matcher(load_table()).feed(REFUSED) if (made := incidents.add(match)) is not None]
    assert why in found.why
