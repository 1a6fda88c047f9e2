"""Sources that fail, in real lobby workers: told in words of the source, and the worker still ends cleanly."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from steadycast.model import DesktopSource, FileSource, RtspSource
from steadycast.pipelines.gst import version
from steadycast.workers.canary import Canary
from tests.support.camera import movie
from tests.support.camera_process import Camera
from tests.support.lobby_worker import lobby_worker
from tests.support.rtsp_stub import OPTIONS, rtsp_stub

pytestmark = pytest.mark.process

DASH = """<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT9S"
profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4"><Representation
id="1" bandwidth="1" codecs="avc1.4d401f" width="64" height="64"><BaseURL>{}.mp4</BaseURL></Representation>
</AdaptationSet></Period></MPD>"""


def _broken_files(folder: Path) -> dict[str, bytes]:
    whole = movie().read_bytes()
    return {
        "truncated.mp4": whole[:300_000],
        "empty.mp4": b"",
        "text.mp4": b"no media at all\n" * 500,
        "noise.mkv": os.urandom(50_000),
        "head.mp4": whole[:40],
    }


@pytest.mark.parametrize(
    "name", ["missing.mp4", "truncated.mp4", "empty.mp4", "text.mp4", "noise.mkv", "head.mp4", "."]
)
async def test_files_that_do_not_play(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name in (files := _broken_files(tmp_path)):
        path.write_bytes(files[name])
    async with lobby_worker(tmp_path / "run") as lobby:
        await lobby.show(FileSource(str(path)))
        failure = await lobby.fails()
        assert failure.code.startswith("file.")
        assert failure.what.startswith(f"the file {path.name}")
        assert not failure.retry
        if name == "missing.mp4":
            assert "does not exist" in failure.what


async def test_a_file_without_a_loop_ends(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(FileSource(str(movie()), loop=False))
        await lobby.shows()
        reader = await lobby.read("copy")
        failure = await lobby.fails()
        assert (failure.code, failure.retry) == ("file.ended", False)
        await reader.until(lambda one: one.ended)


async def test_a_camera_that_accepts_and_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        async with lobby_worker(tmp_path) as lobby:
            await lobby.show(RtspSource(f"rtsp://user:secret@{address}/x"), timeout_s=1.5)
            failure = await lobby.fails()
            assert failure.what == f"the camera at {address} does not answer"
            assert failure.retry
            assert "secret" not in str(failure)


async def test_a_camera_that_is_not_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(RtspSource(f"rtsp://{address}/x"), timeout_s=20)
        failure = await lobby.fails()
        assert (failure.code, failure.retry) == ("camera.unreachable", True)


@pytest.mark.parametrize("auth", ["basic", "digest"])
async def test_a_camera_with_a_login(tmp_path: Path, auth: str) -> None:
    camera = Camera("--user", "ad@min", "--password", "p w:/x", "--auth", auth)
    try:
        wrong = camera.url.replace("rtsp://", "rtsp://ad%40min:not-this@")
        async with lobby_worker(tmp_path / "wrong") as lobby:
            await lobby.show(RtspSource(wrong), timeout_s=30)
            failure = await lobby.fails()
            assert failure.what.startswith("401 from the camera at 127.0.0.1:")
            assert "not-this" not in str(failure)
            assert failure.retry
        right = camera.url.replace("rtsp://", "rtsp://ad%40min:p%20w%3A%2Fx@")
        async with lobby_worker(tmp_path / "right") as lobby:
            await lobby.show(RtspSource(right), timeout_s=30)
            await lobby.shows()
            log = "".join(path.read_text() for path in (tmp_path / "right").rglob("*.log"))
            assert "p w:/x" not in log
            assert "p%20w" not in log
    finally:
        camera.kill()


async def test_a_path_that_the_camera_has_not(tmp_path: Path) -> None:
    camera = Camera()
    try:
        async with lobby_worker(tmp_path) as lobby:
            await lobby.show(RtspSource(camera.url + "-not"), timeout_s=30)
            assert (await lobby.fails()).code == "camera.not_found"
    finally:
        camera.kill()


async def test_a_camera_that_refuses_the_transport(tmp_path: Path) -> None:
    camera = Camera("--transport", "udp")
    try:
        async with lobby_worker(tmp_path / "tcp") as lobby:
            await lobby.show(RtspSource(camera.url, transport="tcp"), timeout_s=30)
            failure = await lobby.fails()
            assert (failure.code, failure.retry) == ("camera.transport", False)
        async with lobby_worker(tmp_path / "auto") as lobby:
            await lobby.show(RtspSource(camera.url, transport="auto"), timeout_s=30)
            await lobby.shows()
    finally:
        camera.kill()


@pytest.mark.parametrize("status", [301, 302])
async def test_a_camera_that_redirects(tmp_path: Path, status: int) -> None:
    async with rtsp_stub(OPTIONS) as other:
        away = f"RTSP/1.0 {status} Moved\r\nLocation: rtsp://127.0.0.1:{other.port}/secret\r\n"
        async with rtsp_stub(away) as camera, lobby_worker(tmp_path) as lobby:
            await lobby.show(RtspSource(f"rtsp://user:pw@127.0.0.1:{camera.port}/x"), timeout_s=30)
            failure = await lobby.fails()
            assert (failure.code, failure.retry) == ("camera.redirect", True), failure
        assert other.seen == []  # not a byte, and no login


async def test_a_camera_that_redirects_in_a_ring(tmp_path: Path) -> None:
    moved = "RTSP/1.0 302 Moved\r\nLocation: {}\r\n"
    for target in ("rtsp://127.0.0.1:{}/x", "file:///etc/passwd#{}"):
        async with rtsp_stub(OPTIONS) as camera, lobby_worker(tmp_path) as lobby:
            camera.answer = moved.format(target.format(camera.port))
            await lobby.show(RtspSource(f"rtsp://127.0.0.1:{camera.port}/x", transport="tcp"), timeout_s=30)
            assert (await lobby.fails()).code == "camera.redirect"
        assert len(camera.seen) < 50


async def test_files_that_name_addresses_are_not_followed(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v"
    (tmp_path / "a.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}.ts\n#EXT-X-ENDLIST\n")
    (tmp_path / "b.mpd").write_text(DASH.format(url))
    async with server:
        for name in ("a.m3u8", "b.mpd"):
            async with lobby_worker(tmp_path / "run") as lobby:
                await lobby.show(FileSource(str(tmp_path / name)))
                failure = await lobby.fails()
                assert (failure.code, failure.why) == ("file.no_video", "it offers only: application")
    assert asked == []


async def test_a_camera_that_is_killed(tmp_path: Path) -> None:
    camera = Camera()
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(RtspSource(camera.url), timeout_s=30)
        await lobby.shows()
        reader = await lobby.read("copy")
        camera.kill()
        failure = await lobby.fails()
        assert (failure.code, failure.retry) == ("camera.closed", True)
        await reader.until(lambda one: one.ended)


async def test_a_camera_that_freezes(tmp_path: Path) -> None:
    camera = Camera()
    try:
        async with lobby_worker(tmp_path) as lobby:
            await lobby.show(RtspSource(camera.url), timeout_s=5)
            await lobby.shows()
            camera.process.send_signal(signal.SIGUSR1)
            failure = await lobby.fails()
            assert failure.code == "camera.silent"
            assert "5 s" in failure.what
    finally:
        camera.kill()


async def test_no_such_display(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(DesktopSource(), display=":64999")
        assert (await lobby.fails()).code == "desktop.display_gone"


async def test_the_canary_plays() -> None:
    canary = Canary(deadline_s=60)
    result = await canary.look()
    await canary.close()
    assert result.ok, result
    assert result.told["gstreamer"] == version()
    assert result.told["missing"] == []
    assert result.told["took_ms"] > 0


async def test_the_canary_tells_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A GStreamer without plugins: the child says so and ends with 1."""
    monkeypatch.setenv("GST_PLUGIN_SYSTEM_PATH_1_0", str(tmp_path))
    monkeypatch.setenv("GST_REGISTRY_1_0", str(tmp_path / "registry.bin"))
    canary = Canary(deadline_s=60)
    result = await canary.look()
    await canary.close()
    assert not result.ok
    assert "videotestsrc" in (result.why or "")
    assert "x264enc" in result.told["missing"]
