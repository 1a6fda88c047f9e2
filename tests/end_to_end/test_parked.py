"""A viewer leaves a real host, and the next one comes: what he sees first, by its pixels, and what he gets where the
worker of the parked encoder was killed meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import ramp
from tests.support.host import Host, running_host, wait_for
from tests.support.lobby_worker import Packet
from tests.support.rtsp_viewer import RtspViewer, TrackCount

pytestmark = pytest.mark.process

AWAY_FRAMES = 2 * ramp.FPS  # of the source


class Seeing(RtspViewer):
    """Keeps the packets of the picture."""

    def __init__(self, url: str) -> None:
        super().__init__(url, 60)
        self.packets: list[Packet] = []

    def _count(self, track: TrackCount, packet: bytes) -> None:
        super()._count(track, packet)
        if track is self.tracks[0]:
            stamp = int.from_bytes(packet[4:8], "big")
            self.packets.append(Packet(int.from_bytes(packet[2:4], "big"), stamp, bool(packet[1] & 0x80), packet[12:]))


def places(host: Host, path: str, frames: int = 6) -> list[int]:
    """The places in the film of the first frames that a viewer sees who comes now and leaves then."""
    viewer = Seeing(f"{host.rtsp}/{path}")
    with viewer:
        viewer.play()
        viewer.receive_frames(frames, deadline_s=60)
    return ramp.places(viewer.packets)


def rests(host: Host, lobby: str) -> dict[str, Any]:
    """Wait until nobody watches, and its encoder is kept."""

    def look() -> dict[str, Any] | None:
        view = next(one for one in host.lobby(lobby)["renditions"] if one["name"] == "main")
        return view if view["state"] == "IDLE" else None

    return wait_for("an idle rendition", look)


def test_who_comes_later_sees_now_and_a_killed_worker_is_missed_by_nobody(tmp_path: Path) -> None:
    film = ramp.film(tmp_path / "film.mp4")
    with running_host(f'[renditions]\nlinger_s = 600\n[sources]\nfile_folders = ["{tmp_path}"]\n') as host:
        renditions = [{"name": "copy", "codec": "copy"}, {"name": "main", "width": 160, "height": 90}]
        lobby = host.create("Film", {"kind": "file", "path": str(film)}, renditions=renditions)["id"]
        host.wait_state(lobby, "STREAMING")
        left = places(host, f"{lobby}/main")[-1]
        rests(host, lobby)
        (lease,) = host.get("/api/v1/leases")["items"]
        now = places(host, f"{lobby}/copy", AWAY_FRAMES)[-1]
        first = places(host, f"{lobby}/main")[0]
        assert ramp.is_later(first, than=now), f"he sees something of before: {first}, left at {left}, now {now}"
        (same,) = host.get("/api/v1/leases")["items"]
        assert abs(same["since"] - lease["since"]) < 0.1, "the same encoder, its place taken all the while"

        rests(host, lobby)
        pids = host.lobby(lobby)["workers"]
        (worker,) = [one for one in host.workers("lobby") if one.pid in pids]
        worker.kill()
        wait_for("the lease to be given back", lambda: not host.get("/api/v1/leases")["items"])
        host.wait_state(lobby, "STREAMING")
        assert places(host, f"{lobby}/main")
        assert len(host.get("/api/v1/leases")["items"]) == 1
