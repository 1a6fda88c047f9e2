"""What a lobby of a common size holds while it is watched: `python -m benchmarks.lobby_memory [--seconds N]`.

Each size has a host of its own. A viewer over RTSP takes all frames; processes are measured from outside once a second.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.measuring import cpu_seconds, pss_mib, show_table
from tests.support.host import Host, running_host
from tests.support.rtsp_viewer import RtspViewer

SIZES = ((1280, 720, 30), (1920, 1080, 60), (3840, 2160, 30))
# More than the machine may be able to do, so that all sizes are let in: late frames are seen in the last column.
CONFIG = "[workers]\nspares = 0\n[recycle]\nlook_s = 3600\n[encoders]\ncpu_pixels_per_s = 1e9\n"
CONTROL_GOAL, CONTROL_SEED, WORKER_GOAL = 100, 150, 300  # MiB


@dataclass(frozen=True)
class Held:
    """MiB of PSS, cores, and frames a second that the viewer got."""

    control: float
    egress: float
    first: float
    peak: float
    last: float
    cores: float
    fps: float


def measure(width: int, height: int, fps: int, seconds: float) -> Held:
    """One lobby of this size, watched for so long."""
    with running_host(CONFIG) as host:
        source = {"kind": "test", "width": width, "height": height, "fps": fps}
        lobby = host.create("Memory", source)["id"]
        view = host.wait_state(lobby, "STREAMING")
        worker = next(process.pid for process in host.workers("lobby") if process.pid in view["workers"])
        with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
            viewer.play()
            viewer.receive_frames(10)
            return watched(host, worker, viewer.receive_frames, seconds)


def watched(host: Host, worker: int, take: Callable[[int], Any], seconds: float) -> Held:
    """Look once for each few frames that came."""
    levels, frames = [pss_mib(worker)], 0
    began, cpu, next_look = time.monotonic(), cpu_seconds(worker), 0.0
    while (now := time.monotonic() - began) < seconds:
        take(5)
        frames += 5
        if now >= next_look:
            next_look = now + 1
            levels.append(pss_mib(worker))
    took = time.monotonic() - began
    cores = (cpu_seconds(worker) - cpu) / took
    control, egress = pss_mib(host.process.pid), pss_mib(host.egress().pid)
    return Held(control, egress, levels[0], max(levels), levels[-1], cores, frames / took)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--sizes", default="720,1080,2160", help="heights, with commas")
    chosen = arguments.parse_args()
    heights = {int(one) for one in chosen.sizes.split(",")}
    rows = []
    for width, height, fps in (one for one in SIZES if one[1] in heights):
        held = measure(width, height, fps, chosen.seconds)
        rows.append(
            [
                f"{height}p{fps}",
                f"{held.control:.0f} (goal {CONTROL_GOAL}, seed {CONTROL_SEED})",
                f"{held.egress:.0f}",
                f"{held.first:.0f} / {held.peak:.0f} / {held.last:.0f}",
                f"{WORKER_GOAL}: {'pass' if held.peak < WORKER_GOAL else 'falls short'}" if height == 2160 else "",
                f"{held.cores:.2f}",
                f"{held.fps:.1f} of {fps}",
            ]
        )
    columns = ["lobby", "control plane", "egress", "lobby worker: first / peak / last", "goal", "cores", "fps seen"]
    show_table(f"PSS in MiB, test picture in software, {chosen.seconds:g} s", columns, rows)


if __name__ == "__main__":
    main()
