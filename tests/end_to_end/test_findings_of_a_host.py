"""A worker of the host really leaks: it is found, named, replaced while somebody watches, and the finding heals."""

from __future__ import annotations

import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.host import Host, running_host, wait_for
from tests.support.rtsp_viewer import RtspViewer

pytestmark = pytest.mark.process
LEAKY_SITE = str(Path(__file__).resolve().parents[1] / "support" / "leaky_site")
QUIET_LOOKS = 7  # a second each: more than it takes until a worker is called quiet
PIECES = 14  # descriptors a rendition, as a context of an encoder has
CONFIG = """
[renditions]
linger_s = 0
[recycle]
look_s = 0.2
residue = false
[workers]
spares = 0
"""


def watch_once(host: Host, lobby: str) -> None:
    with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
        viewer.play()
        viewer.receive_frames(2, 0, 30)


def settled(host: Host, lobby: str, count: int) -> bool:
    """Whether so many renditions came and went, and the tracker looked at what stayed until all was quiet."""
    since = time.time() - 60
    path = f"/api/v1/history?role=lobby:{lobby}&resource=descriptors&detail=eventfd&points=120&since={since}"
    levels = [point[3] for one in host.get(path)["items"] for point in one["points"]]
    return levels[-1:] >= [count * PIECES] and len(set(levels[-QUIET_LOOKS:])) == 1 and len(levels) >= QUIET_LOOKS


def looked(host: Host, lobby: str, count: int) -> bool:
    return bool(confirmed(host)) or settled(host, lobby, count)


def confirmed(host: Host) -> list[dict[str, Any]]:
    found = host.get("/api/v1/findings")["items"]
    return [one for one in found if one["resource"] == "descriptors" and one["state"] != "suspect"]


def test_a_leak_is_named_and_its_worker_is_replaced() -> None:
    with running_host(CONFIG, more_env={"PYTHONPATH": LEAKY_SITE, "LEAKS": str(PIECES)}) as host:
        lobby = str(host.create("Leaks", {"kind": "test", "width": 160, "height": 120, "fps": 10})["id"])
        host.wait_state(lobby, "STREAMING")
        for cycle in range(1, 9):
            watch_once(host, lobby)
            wait_for("the tracker's looks", partial(looked, host, lobby, cycle))
            if confirmed(host):
                break
        (finding,) = wait_for("a finding", lambda: confirmed(host) or None)
        assert cycle <= 5
        assert finding["owner"]["lobby"] == lobby
        assert finding["per_cycle"]["low"] <= PIECES <= finding["per_cycle"]["high"]
        assert finding["cycle"] == "rendition"
        wait_for("another worker", lambda: recycled(host))
        assert host.get(f"/api/v1/lobbies/{lobby}")["state"] == "STREAMING"


def recycled(host: Host) -> bool:
    with urllib.request.urlopen(f"{host.url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return any(line.startswith("steadycast_recycles_total") and 'cause="finding"' in line for line in text.splitlines())
