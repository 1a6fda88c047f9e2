"""What viewers see of a change of encoder, in milliseconds without a new picture: `python -m benchmarks.moves`.

Promotion: a slot frees, the new encoder is open before the old one ends. Failure: an encoder fails in mid-stream and
nothing is open beside it. Hang: the new encoder of a promotion never opens, its worker is ended and another one shows
the same lobby. Refusal: the driver says no when a viewer comes, who waits for the first picture. A pause is
the longest gap between two pictures around the change, less the usual one; in Chromium by the moment that a picture is
given to the compositor, and by the arrival of frames at an RTSP viewer that decodes nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

from benchmarks.measuring import show_table
from tests.support.browser import chromium, watch
from tests.support.host import Host, running_host, wait_for
from tests.support.pictures import Reading, longest_gap, note_pictures, shown

FPS = 30
AFTER_S = 1.5  # pictures that still count, after the change is told
CONFIG = """
[workers]
spares = 1
[renditions]
linger_s = 1
[encoders]
promote_after_s = 0.2
look_s = 0.5
cpu_pixels_per_s = 1e9
breaker_failures = 100
open_s = 1
[vendors.simulated]
enabled = true
sessions = 1
"""


@dataclass
class Pauses:
    """Milliseconds beyond the usual interval, by who saw them."""

    browser: list[float] = field(default_factory=list)
    rtsp: list[float] = field(default_factory=list)

    def take(self, page: Page, viewer: Reading, since: float, until: float) -> None:
        """The longest gap of each between two moments."""
        self.browser.append(max(0.0, longest_gap(shown(page), since, until) - 1 / FPS) * 1000)
        self.rtsp.append(max(0.0, longest_gap(viewer.moments, since, until) - 1 / FPS) * 1000)


class Round:
    """One host with one session, one browser page, and a lobby that is watched by both kinds of viewers."""

    def __init__(self, host: Host, page: Page, size: tuple[int, int], stack: ExitStack) -> None:
        self.host = host
        self.page = page
        self._source = {"kind": "test", "width": size[0], "height": size[1], "fps": FPS}
        self._stack = stack
        self._lobbies: list[str] = []
        stack.callback(self._delete)

    def create(self) -> str:
        self._lobbies.append(str(self.host.create("Benchmark", self._source)["id"]))
        self.host.wait_state(self._lobbies[-1], "STREAMING")
        return self._lobbies[-1]

    def read(self, lobby: str) -> Reading:
        viewer = Reading(f"{self.host.rtsp}/{lobby}")
        self._stack.callback(viewer.close)
        viewer.play()
        wait_for("frames over RTSP", lambda: len(viewer.moments) > 5)
        return viewer

    def watch(self, lobby: str) -> None:
        self.page.goto(self.host.url)
        watch(self.page, lobby)
        note_pictures(self.page)
        wait_for("pictures in the browser", lambda: len(shown(self.page)) > FPS, 60)

    def encodes(self, lobby: str, *, hardware: bool) -> None:
        """Waits until it is there, and a little for pictures of it."""
        wait_for(f"{lobby} to be moved", lambda: self.is_hardware(lobby) is hardware, 60)
        time.sleep(AFTER_S)

    def is_hardware(self, lobby: str) -> bool | None:
        """None while it has no encoder."""
        seats = [one["seat"] for one in self.host.lobby(lobby)["renditions"] if one["seat"]]
        return bool(seats[0]["hardware"]) if seats else None

    def faults(self, **wanted: int) -> None:
        self.host.request("PUT", "/api/v1/system/simulated/faults", wanted)

    def _delete(self) -> None:
        there = {lobby["id"] for lobby in self.host.get("/api/v1/lobbies")["items"]}
        for lobby in there.intersection(self._lobbies):
            self.host.delete(lobby)


def promotion(one: Round, pauses: Pauses) -> None:
    """The other lobby ends, and this one goes from software to hardware."""
    other, lobby = one.create(), one.create()
    one.read(other)
    viewer = one.read(lobby)
    one.watch(lobby)
    one.encodes(lobby, hardware=False)
    since = time.time()
    one.host.delete(other)
    one.encodes(lobby, hardware=True)
    pauses.take(one.page, viewer, since, time.time())


def failure(one: Round, pauses: Pauses) -> None:
    """The encoder fails while both watch, and x264 takes over. It does not count where it failed before they did."""
    one.faults(fail_after_frames=FPS * 5)
    lobby = one.create()
    viewer = one.read(lobby)
    one.faults(fail_after_frames=0)
    one.watch(lobby)
    since, early = time.time(), not one.is_hardware(lobby)
    one.encodes(lobby, hardware=False)
    if not early:
        pauses.take(one.page, viewer, since, time.time())


def hang(one: Round, pauses: Pauses) -> None:
    """The other lobby ends, and the encoder that this one should have then hangs."""
    other, lobby = one.create(), one.create()
    one.read(other)
    viewer = one.read(lobby)
    one.watch(lobby)
    one.encodes(lobby, hardware=False)
    since = time.time()
    one.faults(hang_on_open=1)
    one.host.delete(other)
    wait_for("the worker to be replaced", lambda: one.host.lobby(lobby)["restarts"] > 0, 60)
    one.faults(hang_on_open=0)
    one.encodes(lobby, hardware=False)
    pauses.take(one.page, viewer, since, time.time())


def refusal(one: Round, waits: dict[str, list[float]]) -> None:
    """From the question of an RTSP viewer to its first frame: where the driver gives, and where it refuses."""
    for name, refusals in (("driver gives", 0), ("driver refuses, software", 1)):
        lobby = one.create()
        one.faults(refuse_next=refusals)
        viewer = Reading(f"{one.host.rtsp}/{lobby}")
        started = time.time()
        viewer.play()
        wait_for("a frame", lambda viewer=viewer: bool(viewer.moments), 60, 0.005)  # type: ignore[misc]
        waits.setdefault(name, []).append((viewer.moments[0] - started) * 1000)
        viewer.close()
        one.host.delete(lobby)


def spread(values: list[float]) -> list[Any]:
    """Median, 99th percentile (the largest where there are less than 100) and largest."""
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return [f"{value:.0f}" for value in (statistics.median(ordered), p99, ordered[-1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--size", default="640x360")
    arguments = parser.parse_args()
    width, height = (int(word) for word in arguments.size.split("x"))
    kinds = {"promotion": promotion, "encoder failed": failure, "promotion hung": hang}
    seen, waits = {name: Pauses() for name in kinds}, dict[str, list[float]]()
    with running_host(CONFIG) as host, chromium() as browser:
        page = browser.new_page()
        for number in range(arguments.rounds):
            for name, kind in kinds.items():
                with ExitStack() as stack:
                    kind(Round(host, page, (width, height), stack), seen[name])
            with ExitStack() as stack:
                refusal(Round(host, page, (width, height), stack), waits)
            newest = ", ".join(f"{name} {pauses.browser[-1:]}" for name, pauses in seen.items())
            print(f"{number + 1}: {newest}; load {os.getloadavg()[0]:.1f}", flush=True)
        page.close()
    columns = ["milliseconds", "p50", "p99", "largest"]
    rows = []
    for name, pauses in seen.items():
        rows.append([f"{name}, Chromium", *spread(pauses.browser)])
        rows.append([f"{name}, RTSP", *spread(pauses.rtsp)])
    show_table("Pause of the picture beyond a frame's time, when the encoder changes", columns, rows)
    show_table("RTSP: asked to first frame", columns, [[name, *spread(times)] for name, times in waits.items()])


if __name__ == "__main__":
    main()
