"""Guard of a unit (over a stand-in for systemctl), and guard's API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from steadycast.config.tokens import hash_token
from steadycast.watching.guard.api import make_app
from steadycast.watching.guard.decide import Do
from steadycast.watching.guard.facts import Cause, Presence
from tests.support.guarding import BUDGET, PYTHON, SERVER, Kept, end, end_all, guarding, lives, toml

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path) -> Iterator[None]:
    yield
    end_all(tmp_path)


SUPPORT = Path(__file__).resolve().parents[1] / "support"


async def test_a_unit_is_started_again_when_it_failed_and_left_when_a_person_stopped_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "machine"
    home.mkdir()
    for name, line in (
        ("systemctl", f"exec '{PYTHON}' -S '{SUPPORT}/stand_in_systemctl_child.py' \"$@\""),
        ("journalctl", "exec sleep 600"),
        ("server", f"exec '{PYTHON}' -S '{SERVER}' stay"),
    ):
        (home / name).write_text(f"#!/bin/sh\n{line}\n")
        (home / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(home), prepend=":")
    monkeypatch.setenv("STAND_IN", str(home))
    async with guarding(tmp_path, f"[target]\nunit = 'server.service'\n{BUDGET}") as kept:
        await kept.until(lambda: lives(kept.pid), "the unit")
        first = kept.pid
        end(first)
        await kept.until(lambda: kept.pid not in (None, first) and lives(kept.pid), "another life")
        assert [one.cause for one in kept.keeper.memory.restarts] == [Cause.EXIT]
        kept.keeper.ask_restart("a test")
        second = kept.pid
        await kept.until(lambda: kept.pid not in (None, second) and lives(kept.pid), "one that was asked for")
        last = kept.pid
        (home / "state").write_text("inactive")
        await kept.until(lambda: kept.keeper.server.presence is Presence.AWAY, "a look at what a person did")
        assert kept.keeper.decision.do is Do.NOTHING
        assert (home / "calls").read_text().split().count("start") == 3
    assert lives(last)  # guard does not touch it any more
    end(last)


async def asked(kept: Kept, token: str | None = None) -> httpx.AsyncClient:
    app = make_app(kept.keeper, None if token is None else hash_token(token).text())
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:1", headers=headers)


async def test_the_api_shows_and_is_asked(tmp_path: Path) -> None:
    text = f"[target]\ncommand = {toml([PYTHON, '-S', str(SERVER), 'stay'])}\n{BUDGET}"
    async with guarding(tmp_path, text) as kept, await asked(kept, "0123456789abcdef") as client:
        await kept.until(lambda: lives(kept.pid), "a server")
        await kept.until(lambda: kept.keeper.server.presence is Presence.RUNNING, "a look at it")
        state = (await client.get("/api/v1/state")).json()
        assert state["server"]["presence"] == "running" and state["server"]["pid"] == kept.pid
        first = kept.pid
        assert (await client.post("/api/v1/restart")).status_code == 202
        await kept.until(lambda: kept.pid not in (None, first) and lives(kept.pid), "another process")
        await kept.until(lambda: kept.keeper.busy is None, "the end of the restart")
        shown = (await client.get("/api/v1/restarts")).json()["restarts"]
        assert [one["cause"] for one in shown] == ["asked"] and shown[0]["evidence"]
        assert (await client.post("/api/v1/pause", json={"paused": True})).json() == {"paused": True}
        assert (await client.get("/api/v1/state")).json()["paused"] is True
        assert (await client.post("/api/v1/reset")).json() == {"was_latched": False}
        events = (await client.get("/api/v1/events", params={"limit": 2})).json()
        assert [one["number"] for one in events["events"]] == [1, 2] and events["last"] == 2
        assert (await client.get("/api/v1/findings")).json() == {"findings": []}
        metrics = (await client.get("/metrics")).text
        assert 'steadycast_guard_starts_total{cause="asked",what="start"} 1.0' in metrics
        assert 'steadycast_guard_server{presence="running"} 1.0' in metrics


async def test_the_api_refuses_in_the_words_of_the_host(tmp_path: Path) -> None:
    text = f"[target]\ncommand = {toml([PYTHON, '-S', str(SERVER), 'exit=1'])}\n{BUDGET}"
    async with guarding(tmp_path, text) as kept, await asked(kept) as client:
        await kept.until(lambda: kept.keeper.memory.latch, "a latch")
        latched = await client.post("/api/v1/restart")
        assert latched.status_code == 409 and latched.headers["content-type"] == "application/problem+json"
        assert latched.json()["code"] == "guard.latched" and latched.json()["hint"] == "Reset it first."
        assert (await client.get("/nowhere")).json()["code"] == "request.path"
        assert (await client.post("/api/v1/pause", json={"pause": 1})).status_code == 422
        assert (await client.get("/api/v1/reset")).status_code == 405
        foreign = await client.post("/api/v1/reset", headers={"Origin": "http://evil.example"})
        assert foreign.json()["code"] == "origin.refused"
        assert kept.keeper.memory.latch is not None
