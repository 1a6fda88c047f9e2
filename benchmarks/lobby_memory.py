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
# The seeds' own criteria, and ours where they are stricter. MiB, MB, parts of 1.
CONTROL = ("control plane, MiB", 150, 100)
WORKER = ("lobby worker at 2160p, most, MiB", 300, 300)
REUSE = ("raw frames whose memory was used before", 0.90, 0.99)
REFERENCES = ("reference frames at 1080p, MB", 50, 50)
DROPPED = ("raw frames left out", 0, 0)


@dataclass(frozen=True)
class Held:
    """MiB of PSS, cores, frames a second that the viewer got, and what the host tells of the rendition."""

    control: float
    egress: float
    first: float
    peak: float
    last: float
    cores: float
    fps: float
    raw: dict[str, int]
    references: float  # MB

    @property
    def reuse(self) -> float:
        """Share of raw frames in memory that was used before."""
        return self.raw["reused"] / max(1, self.raw["reused"] + self.raw["created"])


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
            return watched(host, str(lobby), worker, viewer.receive_frames, seconds)


def watched(host: Host, lobby: str, worker: int, take: Callable[[int], Any], seconds: float) -> Held:
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
    shown = next(one for one in host.lobby(lobby)["renditions"] if one["running"])
    kept = shown["in_force"]["reference_bytes"] / 1e6
    return Held(control, egress, levels[0], max(levels), levels[-1], cores, frames / took, shown["raw"], kept)


def judged(name: tuple[str, float, float], value: float, *, least: bool = False) -> list[Any]:
    """A row: ours against the seed's criterion and our goal."""
    text, seed, goal = name
    good = value >= goal if least else value <= goal
    return [text, f"{value:.3g}", seed, goal, "pass" if good else "falls short"]


def criteria(held: dict[int, Held]) -> list[list[Any]]:
    """Those that were measured."""
    rows = [judged(CONTROL, max(one.control for one in held.values()))]
    if 2160 in held:
        rows.append(judged(WORKER, held[2160].peak))
    rows.append(judged(REUSE, min(one.reuse for one in held.values()), least=True))
    if 1080 in held:
        rows.append(judged(REFERENCES, held[1080].references))
    rows.append(judged(DROPPED, sum(one.raw["dropped"] for one in held.values())))
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--sizes", default="720,1080,2160", help="heights, with commas")
    chosen = arguments.parse_args()
    heights = {int(one) for one in chosen.sizes.split(",")}
    held = {h: measure(w, h, fps, chosen.seconds) for w, h, fps in SIZES if h in heights}
    rows = [
        [
            f"{height}p{fps}",
            f"{held[height].control:.0f}",
            f"{held[height].egress:.0f}",
            f"{held[height].first:.0f} / {held[height].peak:.0f} / {held[height].last:.0f}",
            f"{held[height].cores:.2f}",
            f"{held[height].fps:.1f} of {fps}",
            f"{held[height].raw['dropped']} of {held[height].raw['came']}",
            f"{100 * held[height].reuse:.1f} %",
            f"{held[height].references:.1f}",
        ]
        for _, height, fps in SIZES
        if height in held
    ]
    columns = [
        "lobby", "control plane", "egress", "lobby worker: first / most / last", "cores", "fps seen", "left out",
        "memory used again", "references, MB",
    ]  # fmt: skip
    show_table(f"PSS in MiB, test picture in software, {chosen.seconds:g} s", columns, rows)
    show_table("Criteria", ["what", "measured", "seed", "goal", ""], criteria(held))


if __name__ == "__main__":
    main()
