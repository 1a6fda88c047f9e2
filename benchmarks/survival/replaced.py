"""A lobby worker is replaced, and is killed, while it is watched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from playwright.sync_api import Page

from benchmarks.measuring import show_table
from benchmarks.moves import spread
from benchmarks.survival.audience import (
    AFTER_S,
    APPLICATIONS,
    Audience,
    lobby_worker,
    streaming,
    wait_spare,
)
from tests.support.browser import chromium
from tests.support.camera_process import camera
from tests.support.host import Host, running_host

FPS = 30
CAMERA_FPS = 25  # of the film that the camera for tests sends
CONFIG = "[workers]\nspares = 1\n[recycle]\nlook_s = 3600\n" + APPLICATIONS
COLUMNS = ["milliseconds", "rounds", "p50", "p99", "largest", "goal"]
RECYCLE_GOAL = "p99 100"
KILL_GOAL = "p99 700"


def sources(size: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """What a host makes itself."""
    of_size = {"width": size[0], "height": size[1], "fps": FPS}
    return {"test": {"kind": "test", **of_size}, "desktop": {"kind": "desktop", "application": "ico", **of_size}}


@contextmanager
def watched(host: Host, page: Page, fps: int, source: dict[str, Any], **more: Any) -> Iterator[tuple[str, Audience]]:
    """A lobby that both watch, deleted at the end."""
    lobby = streaming(host, source, **more)
    with ExitStack() as stack:
        stack.callback(host.delete, lobby)
        yield lobby, Audience(host, page, lobby, fps, stack)


def recycle(rounds: int, size: tuple[int, int]) -> None:
    """Pauses at recycle, beside the longest pause of as much time in which nothing was done."""
    rows = []
    with running_host(CONFIG) as host, chromium() as browser, camera("--codec", "h264", "--shared") as url:
        page = browser.new_page()
        for name, source in sources(size).items():
            with watched(host, page, FPS, source) as (lobby, audience):
                rows += _recycled(host, lobby, audience, rounds, name)
        copied = {"renditions": [{"name": "copy", "codec": "copy"}]}
        with watched(host, page, CAMERA_FPS, {"kind": "rtsp", "url": url}, **copied) as (lobby, audience):
            rows += _recycled(host, lobby, audience, rounds, "camera, copy")
        page.close()
    show_table("Lobby worker recycled: pause of the picture beyond a frame's time", COLUMNS, rows)


def _recycled(host: Host, lobby: str, audience: Audience, rounds: int, name: str) -> list[list[Any]]:
    pauses: dict[str, list[float]] = {}
    seams = {True: 0, False: 0}
    took = []
    for _ in range(rounds):
        wait_spare(host)
        since = time.time()
        answer = host.request("POST", f"/api/v1/lobbies/{lobby}/recycle", {})
        seams[answer["made_before_break"]] += 1
        took.append(answer["took_s"] * 1000)
        time.sleep(AFTER_S)
        until = time.time()
        for who, pause in audience.pauses(since, until).items():
            pauses.setdefault(f"{name}, {who}", []).append(pause)
        quiet = time.time()
        time.sleep(until - since)
        for who, pause in audience.pauses(quiet, time.time()).items():
            pauses.setdefault(f"{name}, {who}, nothing done", []).append(pause)
    rows = [[row, rounds, *spread(values), "" if "nothing" in row else RECYCLE_GOAL] for row, values in pauses.items()]
    rows.append([f"{name}: from asked to receipt (made before break: {seams[True]})", rounds, *spread(took), ""])
    return rows


def killed(rounds: int, size: tuple[int, int]) -> None:
    """From kill -9 of the lobby worker to a picture again, with a spare. A lobby of its own each time: one that dies
    again and again is made to wait."""
    times: dict[str, list[float]] = {}
    with running_host(CONFIG) as host, chromium() as browser:
        page = browser.new_page()
        for name, source in sources(size).items():
            for _ in range(rounds):
                with watched(host, page, FPS, source) as (lobby, audience):
                    wait_spare(host)
                    audience.more()
                    at = time.time()
                    lobby_worker(host, lobby).kill()
                    audience.more()
                    for who, back in audience.back_after(at).items():
                        times.setdefault(f"{name}, {who}", []).append(back)
        page.close()
    rows = [[row, rounds, *spread(values), KILL_GOAL] for row, values in times.items()]
    show_table("Lobby worker killed: until picture again, same viewer", COLUMNS, rows)
