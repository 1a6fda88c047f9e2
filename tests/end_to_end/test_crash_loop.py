"""A lobby whose worker dies again and again is latched with a hint, health says so, and a person brings it back; and
one that stands still is seen to and comes back by itself, with evidence."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.host import Answer, Host, running_host, wait_for
from tests.support.rtsp_viewer import RtspViewer

pytestmark = pytest.mark.process

RESTARTS = 2
CONFIG = f"""
[workers]
restarts = {RESTARTS}
restart_window_s = 600
silence_s = 2
heartbeat_s = 0.3
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with running_host(CONFIG) as host:
        yield host


def worker_of(host: Host, lobby: str) -> int:
    def look() -> int | None:
        view = host.lobby(lobby)
        return view["workers"][0] if view["state"] == "STREAMING" and view["workers"] else None

    return wait_for("a lobby worker that shows", look)


def strike(host: Host, lobby: str, number: signal.Signals) -> int:
    """Signal the lobby's worker, and wait until the lobby is without it."""
    pid = worker_of(host, lobby)
    next(process for process in host.workers("lobby") if process.pid == pid).send_signal(number)
    wait_for("the lobby to lose its worker", lambda: pid not in host.lobby(lobby)["workers"])
    return pid


def health(host: Host) -> dict[str, Any]:
    try:
        return dict(host.get("/api/v1/system/health"))
    except Answer as answer:
        return answer.body


def test_a_crash_loop_latches_until_a_person_restarts_it(host: Host) -> None:
    lobby = host.create("Loop", {"kind": "test", "width": 320, "height": 240})["id"]
    for _ in range(RESTARTS + 1):
        strike(host, lobby, signal.SIGKILL)

    def latched() -> dict[str, Any] | None:
        view = host.lobby(lobby)
        return view if view["state"] == "DEGRADED" and view["retry_at"] is None else None

    view = wait_for("the breaker to latch", latched)
    assert f"started again {RESTARTS} times" in view["why"] and "SIGKILL" in view["why"]
    assert f"steadycast lobby restart {lobby}" in view["hint"]
    part = health(host)["parts"]["lobbies"]
    assert not part["ok"] and lobby in part["why"] and part["data"] == {"latched": [lobby]}
    restarted = host.request("POST", f"/api/v1/lobbies/{lobby}/restart", {})
    assert restarted["state"] == "STREAMING" and restarted["hint"] is None
    assert health(host)["parts"]["lobbies"]["ok"]
    with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
        viewer.play()
        viewer.receive_frames(10)
    host.delete(lobby)


def test_a_worker_that_is_stopped_is_replaced_and_its_evidence_is_served(host: Host) -> None:
    lobby = host.create("Stopped", {"kind": "test", "width": 320, "height": 240})["id"]
    pid = strike(host, lobby, signal.SIGSTOP)

    def receipt() -> dict[str, Any] | None:
        found = [one for one in host.get(f"/api/v1/receipts?lobby={lobby}")["items"] if one["pid"] == pid]
        return next((one for one in found if one.get("subject", "worker") == "worker"), None)

    written = wait_for("the receipt", receipt)
    assert written["cause"] == "silent" and "evidence" in [rung["name"] for rung in written["rungs"]]
    case = host.get(f"/api/v1/receipts/{written['id']}/evidence")
    assert case["pid"] == pid and case["process"]["state"] == "T" and "stopped" in case["stacks"]["why"]
    assert worker_of(host, lobby) != pid
    with pytest.raises(Answer) as caught:
        host.get("/api/v1/receipts/none/evidence")
    assert (caught.value.status, caught.value.body["code"]) == (404, "receipt.unknown")
    deleted = host.delete(lobby)["receipts"][-1]
    with pytest.raises(Answer) as caught:
        host.get(f"/api/v1/receipts/{deleted['id']}/evidence")
    assert caught.value.body["code"] == "evidence.none"
