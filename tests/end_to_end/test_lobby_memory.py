"""What a lobby's worker holds at each point of its life, on a running host."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import psutil
import pytest

from tests.support.host import Host, running_host, wait_for
from tests.support.rtsp_viewer import RtspViewer

pytestmark = pytest.mark.process
CONFIG = "[renditions]\nlinger_s = 0\n"
POINTS = ["started", "source open", "encoder open", "viewer joined", "viewer left", "rendition closed"]


def points(host: Host, lobby: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = host.get(f"/api/v1/lobbies/{lobby}/memory")["checkpoints"]
    return found


def test_each_point_is_measured_and_told() -> None:
    with running_host(CONFIG) as host:
        lobby = str(host.create("Memory", {"kind": "test", "width": 320, "height": 240})["id"])
        view = host.wait_state(lobby, "STREAMING")
        with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
            viewer.play()
            viewer.receive_frames(5)
        wait_for("all points", lambda: set(POINTS) <= {one["name"] for one in points(host, lobby)})
        found = {one["name"]: one for one in points(host, lobby) if one["about"] != "audio"}
        worker = psutil.Process(found["started"]["pid"])
        assert worker.pid in view["workers"]
        assert found["started"]["d_pss"] == 0
        assert found["encoder open"]["about"] == "main"
        assert found["encoder open"]["d_pss"] > 1 << 20, "an encoder takes memory"
        assert found["encoder open"]["d_descriptors"] >= 0
        assert all(one["private_dirty"] <= one["pss"] for one in found.values())
        wait_for("its history", lambda: host.get(f"/api/v1/lobbies/{lobby}/memory")["profile"])
        said = subprocess.run(
            [sys.executable, "-m", "steadycast", "lobby", "--url", host.url, "memory", lobby],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip
        assert all(name in said for name in POINTS)
        assert "growth: unknown yet" in said
        host.delete(lobby)
