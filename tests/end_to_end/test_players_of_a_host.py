"""ffprobe and GStreamer read lobbies over RTSP, UDP and TCP."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.gst_player import counted, play
from tests.support.host import Host

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def lobby(host: Host) -> Iterator[dict[str, Any]]:
    lobby = host.create("Players", {"kind": "test", "width": 640, "height": 360, "fps": 25})
    yield lobby
    host.delete(lobby["id"])


def probe(url: str, transport: str, frames: int = 150) -> dict[str, Any]:
    words = ["ffprobe", "-v", "error", "-rtsp_transport", transport, "-timeout", "20000000"]
    words += ["-show_streams", "-show_packets", "-read_intervals", f"%+#{frames}", "-of", "json", url]
    result = subprocess.run(words, capture_output=True, text=True, timeout=90, check=True)
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_ffprobe_reads_picture_and_sound(host: Host, lobby: dict[str, Any], transport: str) -> None:
    seen = probe(f"{host.rtsp}/{lobby['id']}", transport)
    streams = {stream["codec_type"]: stream for stream in seen["streams"]}
    assert streams["video"]["codec_name"] == "h264"
    assert (streams["video"]["width"], streams["video"]["height"]) == (640, 360)
    assert streams["audio"]["codec_name"] == "opus"
    for kind in ("video", "audio"):
        times = [float(p["dts_time"]) for p in seen["packets"] if p["codec_type"] == kind and "dts_time" in p]
        assert len(times) >= 5
        assert times == sorted(set(times)), f"{kind} timestamps do not increase: {times}"


@pytest.mark.parametrize("protocols", ["udp", "tcp"])
def test_gstreamer_decodes(host: Host, lobby: dict[str, Any], protocols: str) -> None:
    line = f"rtspsrc location={host.rtsp}/{lobby['id']} protocols={protocols} latency=100"
    line += " ! application/x-rtp,media=video ! rtph264depay ! avdec_h264 !"
    played = asyncio.run(
        play(*line.split(), *counted("picture"), "!", "fakesink", "sync=false", frames={"picture": 40})
    )
    assert played.enough, played.out[-3000:]


def test_a_copied_file_costs_no_encoder(host: Host, bunny: Path) -> None:
    lobby = host.create("Copy", {"kind": "file", "path": str(bunny)})
    host.wait_state(lobby["id"], "STREAMING")
    seen = probe(f"{host.rtsp}/{lobby['id']}", "tcp", 60)
    video = next(stream for stream in seen["streams"] if stream["codec_type"] == "video")
    assert (video["codec_name"], video["profile"], video["width"]) == ("h264", "Main", 1280)
    running = [r for r in host.lobby(lobby["id"])["renditions"] if r["running"]]
    assert [(r["name"], r["track"]["encoder"]) for r in running] == [("copy", None)]
    host.delete(lobby["id"])


def test_unknown_lobby_is_404(host: Host) -> None:
    words = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", f"{host.rtsp}/nobody"]
    result = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode != 0
    assert "404" in result.stderr
