"""Faults of the simulated vendor by HTTP: only where it is on, in words of the caller where they make no sense."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from steadycast.api.app import Extras, create_app
from steadycast.config.encoder_settings import SimulatedSettings
from steadycast.config.settings import Settings
from steadycast.vendors.simulated.vendor import SimulatedVendor
from tests.support.memory_lobbies import MemoryLobbies

FAULTS = "/api/v1/system/simulated/faults"


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[SimulatedVendor]:
    made = SimulatedVendor(SimulatedSettings(enabled=True), tmp_path)
    yield made
    made.close()


async def ask(vendor: SimulatedVendor | None, method: str, body: Any = None, **settings: Any) -> httpx.Response:
    app = create_app(MemoryLobbies(), Settings(**settings), more=Extras(simulated=vendor))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.request(method, FAULTS, json=body)


async def test_set_and_read(vendor: SimulatedVendor) -> None:
    before = await ask(vendor, "GET")
    assert before.status_code == 200
    assert set(before.json().values()) == {0}
    changed = await ask(vendor, "PUT", {"refuse_next": 2, "driver_lost": 1.0})
    assert changed.status_code == 200
    assert changed.json() == before.json() | {"refuse_next": 2, "driver_lost": 1}
    assert (await ask(vendor, "PUT", {"driver_lost": 0})).json()["refuse_next"] == 2
    assert (await ask(vendor, "GET")).json() == vendor.faults() == before.json() | {"refuse_next": 2}


async def test_another_program_takes_sessions_before_it_answers(vendor: SimulatedVendor) -> None:
    assert (await ask(vendor, "PUT", {"foreign_sessions": 2})).status_code == 200
    sessions = vendor.look().uses[0].sessions or ()
    assert [one.name for one in sessions] == ["pretended-game"] * 2
    assert sessions[0].pid != os.getpid()


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({"refuse_nxt": 1}, "fault.unknown", "refuse_nxt"),
        ({"refuse_next": -1}, "fault.value", "refuse_next"),
        ({"refuse_next": 1.5}, "fault.value", "refuse_next"),
        ({"refuse_next": 1e300}, "fault.value", "refuse_next"),
        ({"refuse_next": "1"}, "request.invalid", "refuse_next"),
        ({"refuse_next": True}, "request.invalid", "refuse_next"),
        ({"refuse_next": None}, "request.invalid", "refuse_next"),
        ([1], "request.invalid", "body"),
    ],
)
async def test_what_makes_no_sense_is_refused(vendor: SimulatedVendor, body: Any, code: str, said: str) -> None:
    answer = await ask(vendor, "PUT", body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["code"] == code
    assert said in answer.json()["detail"]
    assert not any(vendor.faults().values())


async def test_there_only_where_the_vendor_is_on_and_behind_the_door(vendor: SimulatedVendor) -> None:
    gone = await ask(None, "PUT", {"refuse_next": 1})
    assert (gone.status_code, gone.json()["code"]) == (404, "request.path")
    closed = await ask(vendor, "PUT", {"refuse_next": 1}, auth={"token": "t" * 32})
    assert closed.status_code == 401
    assert not any(vendor.faults().values())


async def test_a_driver_that_was_taken_away_is_told(vendor: SimulatedVendor, tmp_path: Path) -> None:
    vendor.close()
    answer = await ask(vendor, "GET")
    assert (answer.status_code, answer.json()["code"]) == (503, "simulated.driver")
