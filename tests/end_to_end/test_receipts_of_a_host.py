"""Receipts of a real host: of the worker, of the rendition that it made, and of the viewers who watched it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.host import Answer, Host, wait_for
from tests.support.rtsp_viewer import RtspViewer

pytestmark = pytest.mark.process

DEADLINE_S = 60.0


def receipts(host: Host, lobby: str, subject: str, count: int = 1) -> list[dict[str, Any]]:
    def look() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = host.get(f"/api/v1/receipts?lobby={lobby}&subject={subject}")["items"]
        return found if len(found) >= count else None

    return wait_for(f"{count} receipts of {subject}s", look, DEADLINE_S)


def play(host: Host, lobby: str) -> None:
    with RtspViewer(f"{host.rtsp}/{lobby}", DEADLINE_S) as viewer:
        viewer.play()
        viewer.receive_frames(3, 0, DEADLINE_S)


def test_worker_rendition_and_viewers_have_receipts(host: Host) -> None:
    lobby = host.create("Receipts", {"kind": "test", "width": 160, "height": 90})["id"]
    host.wait_state(lobby, "STREAMING")
    play(host, lobby)
    play(host, lobby)
    deleted = host.delete(lobby)
    (rendition, *_) = receipts(host, lobby, "rendition")
    (worker,) = receipts(host, lobby, "worker")
    assert rendition["name"] == "main" and rendition["worker"] == worker["worker"]
    assert [thing for check in rendition["checks"] for thing in check["residue"] or ()] == []
    assert worker == deleted["receipts"][0] and worker["clean"]
    assert worker["before"]["descriptors"]["socket"] and worker["before"]["processes"] == 1
    assert host.get(f"/api/v1/receipts/{worker['id']}") == worker
    # What still waits for a quiet moment in its worker is told when that is gone.
    egress = host.egress()
    egress.kill()
    (first, second) = receipts(host, lobby, "viewer", 2)
    assert first["pid"] == second["pid"] == egress.pid and first["kind"] == "egress" and first["name"] != second["name"]
    assert first["clean"] and second["clean"]
    with pytest.raises(Answer) as missing:
        host.get("/api/v1/receipts/none")
    assert missing.value.body["code"] == "receipt.unknown"
