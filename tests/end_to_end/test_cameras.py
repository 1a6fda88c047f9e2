"""Cameras: a real RTSP server in another process, H.264 and H.265, killed and back, and cameras that say no."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.support.browser import LOOK, watch
from tests.support.camera_process import Camera
from tests.support.host import Host, wait_for
from tests.support.rtsp_viewer import RtspViewer

pytestmark = pytest.mark.process


@pytest.fixture(params=["h264", "h265"])
def cam(request: pytest.FixtureRequest) -> Iterator[tuple[str, Camera]]:
    server = Camera("--codec", request.param)
    yield request.param, server
    server.kill()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_camera_passes_through(host: Host, cam: tuple[str, Camera], transport: str) -> None:
    codec, server = cam
    lobby = host.create("Cam", {"kind": "rtsp", "url": server.url, "transport": transport})["id"]
    host.wait_state(lobby, "STREAMING")
    with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
        viewer.play()
        assert f"a=rtpmap:96 {codec.upper()}/90000" in viewer.sdp
        viewer.receive_frames(30)
    running = [r for r in host.lobby(lobby)["renditions"] if r["running"]]
    assert [(r["name"], r["track"]["encoder"]) for r in running] == [("copy", None)]
    host.delete(lobby)


@pytest.mark.browser
def test_browser_sees_the_camera(host: Host, cam: tuple[str, Camera], page: Page) -> None:
    """H.264 is passed on or encoded, H.265 is encoded to what the browser takes."""
    lobby = host.create("Cam", {"kind": "rtsp", "url": cam[1].url})["id"]
    host.wait_state(lobby, "STREAMING")
    watch(page, lobby)
    seen = wait_for("the picture", lambda: (s := page.evaluate(LOOK)) and s["frames"] > 10 and s["spread"] > 20 and s)
    assert isinstance(seen, dict)
    assert seen["codec"] == "video/H264"
    host.delete(lobby)


def test_camera_dies_and_comes_back(host: Host) -> None:
    server = Camera("--codec", "h264")
    lobby = host.create("Cam", {"kind": "rtsp", "url": server.url})["id"]
    host.wait_state(lobby, "STREAMING")
    with RtspViewer(f"{host.rtsp}/{lobby}", deadline_s=60) as viewer:
        viewer.play()
        viewer.receive_frames(10)
        port = server.port
        server.kill()
        view = host.wait_state(lobby, "DEGRADED")
        assert "camera" in view["why"]
        again = Camera("--codec", "h264", "--port", str(port))
        host.wait_state(lobby, "STREAMING")
        track = viewer.receive_frames(30, deadline_s=60)
        assert track.gaps == 0
        again.kill()
    host.delete(lobby)


def test_camera_that_wants_a_password(host: Host) -> None:
    server = Camera("--user", "admin", "--password", "s3cret-word")
    wrong = server.url.replace("rtsp://", "rtsp://admin:wrong-word@")
    lobby = host.create("Locked", {"kind": "rtsp", "url": wrong})["id"]
    view = host.wait_state(lobby, "DEGRADED")
    assert "401" in view["why"]
    assert "wrong-word" not in str(view)
    host.delete(lobby)
    right = server.url.replace("rtsp://", "rtsp://admin:s3cret-word@")
    lobby = host.create("Open", {"kind": "rtsp", "url": right})["id"]
    view = host.wait_state(lobby, "STREAMING")
    assert "s3cret-word" not in str(view)
    host.delete(lobby)
    events = host.get("/api/v1/receipts?limit=100")
    assert "s3cret-word" not in str(events)
    assert "s3cret-word" not in host.log.read_text()
    assert "wrong-word" not in host.log.read_text()
    server.kill()


def test_camera_that_accepts_and_never_answers(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        held: list[Any] = []
        threading.Thread(target=lambda: held.append(mute.accept()), daemon=True).start()
        lobby = host.create("Mute", {"kind": "rtsp", "url": f"rtsp://127.0.0.1:{mute.getsockname()[1]}/x"})["id"]
        view = host.wait_state(lobby, "DEGRADED")
        assert "answer" in view["why"]
        deleted = host.delete(lobby)
        assert all(receipt["clean"] for receipt in deleted["receipts"]), deleted
        for connection, _ in held:
            connection.close()
