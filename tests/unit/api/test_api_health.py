"""Health: each part that can be unwell makes the whole unwell, and says why."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import httpx
import pytest

from steadycast.api.app import create_app
from steadycast.api.system import judge_egress, judge_findings, judge_lobbies, judge_workers
from steadycast.config.settings import Settings
from steadycast.model import FindingState
from steadycast.upkeep.views import watched_of
from steadycast.workers.canary import Canary
from tests.support.memory_lobbies import MemoryLobbies
from tests.support.memory_upkeep import a_finding

GOOD = 'print(\'{"ok": true, "gstreamer": "1.22.0"}\')'


async def health(rooms: MemoryLobbies, script: str = GOOD, state: Path | None = None) -> httpx.Response:
    canary = Canary((sys.executable, "-c", script), deadline_s=20)
    app = create_app(rooms, Settings(), state=state, canary=canary)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.get("/api/v1/system/health")


async def test_well(tmp_path: Path) -> None:
    answer = await health(MemoryLobbies(), state=tmp_path)
    assert answer.status_code == 200
    body = answer.json()
    assert body["ok"] is True
    assert body["parts"]["pipeline"]["data"]["gstreamer"] == "1.22.0"
    assert body["parts"]["store"]["data"]["free_bytes"] > 0


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("import sys; sys.exit(3)", "ended with 3"),
        ('print(\'{"ok": false, "why": "no encoder"}\')', "no encoder"),
        ("print('nonsense')", "ended with 0"),
        ("raise RuntimeError('no gi here')", "no gi here"),
    ],
)
async def test_no_pipeline(script: str, why: str) -> None:
    answer = await health(MemoryLobbies(), script)
    assert answer.status_code == 503
    assert answer.json()["ok"] is False
    assert why in answer.json()["parts"]["pipeline"]["why"]


async def test_no_egress_worker() -> None:
    rooms = MemoryLobbies()
    rooms.egress_workers = 0
    answer = await health(rooms)
    assert answer.status_code == 503
    assert answer.json()["parts"]["egress"]["why"] == "0 of 1 egress workers run."
    assert judge_egress(rooms.statistics(), 0).ok


async def test_no_state_folder(tmp_path: Path) -> None:
    answer = await health(MemoryLobbies(), state=tmp_path / "gone")
    assert answer.status_code == 503
    assert "state folder" in answer.json()["parts"]["store"]["why"]


async def test_residue_wants_a_person() -> None:
    statistics = MemoryLobbies().statistics()
    assert judge_workers(statistics).ok
    statistics.lobbies["CLEANUP_INCOMPLETE"] = 1
    assert "receipts" in (judge_workers(statistics).why or "")


async def test_a_crash_loop_wants_a_person() -> None:
    statistics = MemoryLobbies().statistics()
    assert judge_lobbies(statistics).ok
    judged = judge_lobbies(dataclasses.replace(statistics, latched=("l7", "l9")))
    assert not judged.ok and judged.data == {"latched": ["l7", "l9"]}
    assert "2 lobbies" in str(judged.why) and "POST /api/v1/lobbies/l7/restart" in str(judged.why)


def test_a_confirmed_leak_wants_a_person_and_a_suspect_does_not() -> None:
    suspect, confirmed = a_finding("l1", FindingState.SUSPECT), a_finding("l1")
    assert judge_findings(watched_of([suspect, a_finding("l1", FindingState.HEALED)], 9, 180)).ok
    leaks = judge_findings(watched_of([suspect, confirmed, confirmed], 9, 180))
    assert not leaks.ok
    assert "loses 14.0 descriptors each rendition, 28 so far, and 1 more" in (leaks.why or "")
    assert leaks.data == {"confirmed": 2, "suspects": 1}
