"""The control plane is killed and started again, and an egress worker is killed, while people watch."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.measuring import free_port, show_table
from benchmarks.moves import spread
from benchmarks.survival.audience import (
    AFTER_S,
    DEADLINE_S,
    FIRST,
    Audience,
    Returning,
    back_ms,
    kept_state,
    more_since,
    streaming,
    wait_spare_egress,
)
from benchmarks.survival.replaced import COLUMNS, FPS, sources
from tests.support.browser import chromium
from tests.support.host import Host, running_host, wait_for
from tests.support.pictures import note_pictures, shown

POLL_S = 0.005
EGRESS_CONFIG = "[workers]\nrestart_window_s = 1\n"  # each death is the first for a while, as in a life of months


def answer_s(port: int) -> float:
    """Seconds until the API answers there. A host that starts listens first, and who asks then waits."""
    began = time.monotonic()
    while time.monotonic() < began + DEADLINE_S:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/system", timeout=DEADLINE_S).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(POLL_S)
        else:
            return time.monotonic() - began
    raise RuntimeError(f"nothing answers at port {port}")


def started_again(config: str, state: Path, port: int, stack: ExitStack) -> tuple[Host, float]:
    """The next host on this state, and seconds from its exec until it answered."""
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(answer_s, port)
        host = stack.enter_context(running_host(config, kept=state, port=port))
        return host, answered.result()


def control(rounds: int, size: tuple[int, int]) -> None:
    """Pauses, and times of the next control plane."""
    seen: dict[str, list[float]] = {}
    answers, adoptions = [], []
    port = free_port()
    with chromium() as browser, kept_state("") as (state, stack):
        host = stack.enter_context(running_host("", kept=state, port=port))
        lobby = streaming(host, sources(size)["test"])
        audience = Audience(host, browser.new_page(), lobby, FPS, stack)
        for _ in range(rounds):
            audience.more()
            since = time.time()
            host.kill()
            host, answered = started_again("", state, port, stack)
            time.sleep(AFTER_S)
            until = time.time()
            adoption = host.get("/api/v1/system")["adoption"]
            assert adoption["viewers"] == 2 and adoption["ended"] == 0, adoption
            answers.append(answered * 1000)
            adoptions.append(adoption["took_s"] * 1000)
            _note(seen, "", audience.pauses(since, until))
            quiet = time.time()
            time.sleep(until - since)
            _note(seen, ", nothing done", audience.pauses(quiet, time.time()))
    rows: list[list[Any]] = [
        [f"pause at {who}", rounds, *spread(values), "" if "nothing" in who else "0"] for who, values in seen.items()
    ]
    rows.append(["from exec until the API answers", rounds, *spread(answers), ""])
    rows.append(["of it, adoption (one lobby, two viewers)", rounds, *spread(adoptions), ""])
    show_table("Control plane killed and started again", COLUMNS, rows)


def _note(seen: dict[str, list[float]], more: str, pauses: dict[str, float]) -> None:
    for who, pause in pauses.items():
        seen.setdefault(f"{who}{more}", []).append(pause)


def egress(rounds: int, size: tuple[int, int]) -> None:
    """From kill -9 of the egress worker, with a spare, until those who had their session there see again."""
    page_times, rtsp_times = [], []
    with running_host(EGRESS_CONFIG) as host, chromium() as browser, ExitStack() as stack:
        lobby = streaming(host, sources(size)["test"])
        player = Returning(f"{host.rtsp}/{lobby}")
        stack.callback(player.close)
        page = browser.new_page()
        page.goto(f"{host.url}/#/lobby/{lobby}")
        page.wait_for_selector("video")
        note_pictures(page, "video")
        wait_for("pictures in the page", lambda: len(shown(page)) > FIRST, DEADLINE_S)
        for _ in range(rounds):
            wait_spare_egress(host)
            settled = time.time()
            wait_for("pictures", lambda since=settled: more_since(shown(page), since), DEADLINE_S)  # type: ignore[misc]
            worker, at = host.egress(), time.time()
            worker.kill()
            for name, look in {"page": lambda: shown(page), "player": lambda: player.moments}.items():
                wait_for(f"the {name}", lambda seen=look, at=at: more_since(seen(), at + 0.3), DEADLINE_S)  # type: ignore[misc]
            page_times.append(back_ms(shown(page), at))
            rtsp_times.append(back_ms(player.moments, at))
        page.close()
    rows = [
        ["the page in Chromium", rounds, *spread(page_times), "2000"],
        ["RTSP player that connects again each 100 ms", rounds, *spread(rtsp_times), ""],
    ]
    show_table("Egress worker killed: until picture again, new session", COLUMNS, rows)
