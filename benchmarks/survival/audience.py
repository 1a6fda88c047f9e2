"""Who watches a lobby while something is done to it: Chromium and an RTSP viewer, and when they saw pictures."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page

from tests.support.browser import watch
from tests.support.host import Host, running_host, wait_for
from tests.support.pictures import MOST, Reading, longest_gap, note_pictures, shown
from tests.support.rtsp_viewer import RtspRefused, RtspViewer

AFTER_S = 1.0  # pictures that still count, after the change is told
AGAIN_S = 0.1  # a player's pause before it connects again
FIRST = 15  # pictures before anything is done
DEADLINE_S = 60.0
APPLICATIONS = "[sources.applications]\nico = ['ico', '-faces', '-sleep', '0.03']\n"


class Returning:
    """An RTSP player that connects again by itself, at once and then each `AGAIN_S`; `moments` of its frames."""

    def __init__(self, url: str) -> None:
        self.moments: list[float] = []
        self._url = url
        self._viewer: RtspViewer | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """It leaves."""
        self._stop.set()
        with contextlib.suppress(OSError, AttributeError):
            self._viewer.socket.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        self._thread.join(DEADLINE_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError, RtspRefused), RtspViewer(self._url, 5) as viewer:
                self._viewer = viewer
                viewer.play()
                while not self._stop.is_set() and len(self.moments) < MOST:
                    viewer.receive_frames(1)
                    self.moments.append(time.time())
            self._stop.wait(AGAIN_S)


class Audience:
    """Chromium in `page` and an RTSP viewer, both of one lobby; there once both see it. `usual_s`: a frame's time."""

    def __init__(self, host: Host, page: Page, lobby: str, fps: int, stack: ExitStack) -> None:
        self.usual_s = 1 / fps
        self.rtsp = Reading(f"{host.rtsp}/{lobby}")
        self.page = page
        stack.callback(self._leave)
        self.rtsp.play()
        page.goto(host.url)
        watch(page, lobby)
        note_pictures(page)
        wait_for("frames over RTSP", lambda: len(self.rtsp.moments) > FIRST, DEADLINE_S)
        wait_for("pictures in the browser", lambda: len(shown(page)) > FIRST, DEADLINE_S)

    def pauses(self, since: float, until: float) -> dict[str, float]:
        """By viewer, milliseconds of the longest gap between two pictures, less the usual one."""
        seen = {"Chromium": shown(self.page), "RTSP": self.rtsp.moments}
        gaps = {who: longest_gap(moments, since, until) for who, moments in seen.items()}
        return {who: max(0.0, gap - self.usual_s) * 1000 for who, gap in gaps.items()}

    def back_after(self, at: float) -> dict[str, float]:
        """By viewer, milliseconds from this moment to the end of the longest gap since."""
        return {"Chromium": back_ms(shown(self.page), at), "RTSP": back_ms(self.rtsp.moments, at)}

    def more(self) -> None:
        """Wait until both have seen some more pictures."""
        since = time.time()
        for who, moments in {"Chromium": lambda: shown(self.page), "RTSP": lambda: self.rtsp.moments}.items():
            wait_for(f"pictures at {who}", lambda look=moments: more_since(look(), since), DEADLINE_S)  # type: ignore[misc]

    def _leave(self) -> None:
        with contextlib.suppress(OSError):  # the host may have ended its connection
            self.rtsp.close()
        self.page.goto("about:blank")


def more_since(moments: list[float], since: float) -> bool:
    """Whether there was more than a second of pictures."""
    return sum(moment > since for moment in moments) > FIRST and moments[-1] > since + AFTER_S


def back_ms(moments: list[float], at: float) -> float:
    """Milliseconds from a moment to the picture that ended the longest gap since (the one that it fell into counts)."""
    before = [moment for moment in moments if moment <= at][-1:]
    asked = before + [moment for moment in moments if moment > at]
    gaps = [(b - a, b) for a, b in itertools.pairwise(asked)]
    return (max(gaps)[1] - at) * 1000


def workers_of(host: Host) -> list[dict[str, Any]]:
    """Workers as the API shows them."""
    return list(host.get("/api/v1/system")["statistics"]["workers"])


def wait_spare(host: Host) -> None:
    """Until a spare lobby worker has said hello, so that a lobby need not wait for it."""

    def spare() -> int | None:
        return next((one["pid"] for one in workers_of(host) if one["kind"] == "lobby" and one["lobby"] is None), None)

    pid = wait_for("a spare lobby worker", spare, DEADLINE_S)
    with urllib.request.urlopen(f"{host.url}/api/v1/events?after=0", timeout=DEADLINE_S) as stream:
        for line in stream:
            if line.startswith(b'data: {"id"'):
                event = json.loads(line[6:])
                if event["name"] == "worker.READY" and event["data"]["pid"] == pid:
                    return
    raise RuntimeError("the host ended")


def wait_spare_egress(host: Host) -> None:
    """Until a spare egress worker has said hello."""
    wait_for("a spare egress worker", lambda: host.get("/api/v1/system")["statistics"]["egress"]["spares"], DEADLINE_S)


def lobby_worker(host: Host, lobby: str) -> psutil.Process:
    """The lobby worker of a lobby that streams."""
    pids = host.lobby(lobby)["workers"]
    return next(process for process in host.workers("lobby") if process.pid in pids)


def streaming(host: Host, source: dict[str, Any], **more: Any) -> str:
    """A lobby that streams."""
    lobby = str(host.create("Benchmark", source, **more)["id"])
    host.wait_state(lobby, "STREAMING")
    return lobby


@contextlib.contextmanager
def kept_state(config: str) -> Iterator[tuple[Path, ExitStack]]:
    """A state folder for hosts that follow each other; what a killed one left is ended by a last one."""
    with tempfile.TemporaryDirectory(prefix="sc-") as folder, ExitStack() as stack:
        state = Path(folder)
        try:
            yield state, stack
        finally:
            stack.close()
            if any((state / "run" / "workers").glob("*.json")):
                with running_host(config, kept=state):
                    pass
