"""kill -9 of each kind of worker: the lobby says so and comes back, with a receipt; viewers of a lobby worker stay."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.support.browser import LOOK, watch
from tests.support.host import Host, wait_for
from tests.support.rtsp_viewer import RtspViewer

pytestmark = pytest.mark.process


def lobby_worker(host: Host, lobby: str) -> int:
    """The pid of the lobby's GStreamer process: the one of its workers with the lobby entry point."""
    pids = set(host.lobby(lobby)["workers"])
    return next(process.pid for process in host.workers("lobby") if process.pid in pids)


def kill(host: Host, kind: str, pid: int) -> None:
    process = next(process for process in host.workers(kind) if process.pid == pid)
    process.send_signal(signal.SIGKILL)


def receipts_of(host: Host, pid: int) -> list[dict[str, Any]]:
    return [
        receipt for receipt in host.get("/api/v1/receipts?limit=100&subject=worker")["items"] if receipt["pid"] == pid
    ]


def wait_new_worker(host: Host, lobby: str, old: int) -> None:
    def renewed() -> bool:
        view = host.lobby(lobby)
        return view["state"] == "STREAMING" and old not in view["workers"] and bool(view["workers"])

    wait_for("the lobby to stream from a new worker", renewed)


def test_browser_and_player_stay_when_the_lobby_worker_is_killed(host: Host, page: Page) -> None:
    lobby = host.create("Kill", {"kind": "test", "width": 320, "height": 240})["id"]
    watch(page, lobby)
    wait_for("a picture", lambda: (s := page.evaluate(LOOK)) and s["frames"] > 10)
    with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
        viewer.play()
        viewer.receive_frames(20)
        old = lobby_worker(host, lobby)
        kill(host, "lobby", old)
        wait_new_worker(host, lobby, old)
        before = page.evaluate(LOOK)["frames"]
        track = viewer.receive_frames(60)
        assert track.gaps == 0, "sequence numbers must go on"
        steps = [(b - a) & 0xFFFFFFFF for a, b in zip(track.timestamps, track.timestamps[1:], strict=False)]
        odd = [step for step in steps if not 0 < step < 90_000 * 30]
        assert not odd, f"timestamps must go on: {odd} in {steps}"
    wait_for("picture again", lambda: page.evaluate(LOOK)["frames"] > before + 20)
    assert page.evaluate(LOOK)["state"] == "connected"
    assert [receipt["signal"] for receipt in receipts_of(host, old)] == [signal.SIGKILL]
    assert host.lobby(lobby)["restarts"] == 1
    host.delete(lobby)


def test_display_worker_killed(host: Host) -> None:
    source = {"kind": "desktop", "application": "ico", "width": 320, "height": 240}
    lobby = host.create("Display", source)["id"]
    host.wait_state(lobby, "STREAMING")
    pids = set(host.lobby(lobby)["workers"])
    old = next(process.pid for process in host.workers("display") if process.pid in pids)
    kill(host, "display", old)
    wait_new_worker(host, lobby, old)
    (receipt,) = wait_for("the receipt", lambda: receipts_of(host, old))
    assert receipt["clean"], receipt
    deleted = host.delete(lobby)
    assert all(receipt["clean"] for receipt in deleted["receipts"]), deleted


def test_egress_worker_killed(host: Host) -> None:
    lobby = host.create("Egress", {"kind": "test", "width": 320, "height": 240})["id"]
    with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
        viewer.play()
        viewer.receive_frames(5)
        old = host.egress()
        kill(host, "egress", old.pid)
        with pytest.raises(ConnectionResetError):
            viewer.receive_frames(10_000, deadline_s=60)
    wait_for("the viewer to be gone", lambda: not host.get(f"/api/v1/viewers?lobby={lobby}")["items"])
    wait_for("a new egress worker", lambda: host.egress().pid != old.pid)

    def plays_again() -> bool:
        try:
            with RtspViewer(f"{host.rtsp}/{lobby}") as again:
                again.play()
                again.receive_frames(10)
        except OSError:
            return False
        return True

    wait_for("a new viewer to play", plays_again)
    assert wait_for("the receipt", lambda: receipts_of(host, old.pid))
    host.delete(lobby)


def test_two_viewers_share_one_encoder(host: Host) -> None:
    """Counted from outside: the second viewer adds no thread and no descriptor to the process that encodes."""
    lobby = host.create("Shared", {"kind": "test", "width": 320, "height": 240})["id"]
    with RtspViewer(f"{host.rtsp}/{lobby}") as one, RtspViewer(f"{host.rtsp}/{lobby}") as two:
        one.play()
        one.receive_frames(10)
        pid = lobby_worker(host, lobby)
        process = next(process for process in host.workers("lobby") if process.pid == pid)
        before = (process.num_fds(), process.num_threads())
        two.play()
        two.receive_frames(10)
        one.receive_frames(10)
        assert (process.num_fds(), process.num_threads()) == before
        assert len(host.get(f"/api/v1/viewers?lobby={lobby}")["items"]) == 2
        running = [r["name"] for r in host.lobby(lobby)["renditions"] if r["running"]]
        assert running == ["main"]
    host.delete(lobby)
