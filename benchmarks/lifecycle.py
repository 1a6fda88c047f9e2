"""From create to the first decoded frame in Chromium, and from delete to the receipt: `python -m benchmarks.lifecycle`.

Cold: no spare worker. Warm: one spare worker. Also the memory of each process, idle and with one viewer.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from playwright.sync_api import Page

from benchmarks.measuring import pss_mib, show_table, spread
from tests.support.browser import WATCH, chromium
from tests.support.host import Host, running_host
from tests.support.rtsp_viewer import RtspViewer

# Creates a lobby, watches it, and resolves with milliseconds: created, answered, first frame shown.
FIRST_FRAME = (
    """async (source) => {
  const start = performance.now();
  const made = await fetch('/api/v1/lobbies', {method: 'POST', headers: {'content-type': 'application/json'},
    body: JSON.stringify({name: 'Benchmark', source})});
  if (made.status !== 201) throw new Error(await made.text());
  const lobby = (await made.json()).id;
  const created = performance.now();
  await ("""
    + WATCH
    + """)('/whep/' + lobby);
  const answered = performance.now();
  if (!window.video.videoWidth) await new Promise((done) => { window.video.requestVideoFrameCallback(done); });
  const shown = performance.now();
  return {lobby, created: created - start, answered: answered - start, shown: shown - start};
}"""
)
LEAVE = "async () => { window.pc.close(); window.video.remove(); await fetch(window.location_, {method: 'DELETE'}); }"


def one_round(host: Host, page: Page, source: dict[str, Any]) -> dict[str, float]:
    times = dict(page.evaluate(FIRST_FRAME, source))
    page.evaluate(LEAVE)
    started = time.monotonic()
    deleted = host.delete(times.pop("lobby"))
    times["receipt"] = (time.monotonic() - started) * 1000
    assert deleted["state"] == "DESTROYED"
    return times


def rounds(spares: int, count: int, source: dict[str, Any], rest_s: float) -> list[str]:
    """Spreads of created, answered, shown and receipt, in milliseconds."""
    config = f"[workers]\nspares = {spares}\n[sources.applications]\nico = ['ico', '-faces', '-sleep', '0.03']\n"
    with running_host(config) as host, chromium() as browser:
        page = browser.new_page()
        page.goto(host.url)
        one_round(host, page, source)  # the browser's own first time
        times = []
        for _ in range(count):
            time.sleep(rest_s)  # a spare worker is made again meanwhile
            times.append(one_round(host, page, source))
        page.close()
    return [spread([t[name] for t in times]) for name in ("created", "answered", "shown", "receipt")]


def longest_pause(viewer: RtspViewer, frames: int = 30) -> float:
    """Seconds between two of the next frames, at most."""
    last, longest = time.monotonic(), 0.0
    for _ in range(frames):
        viewer.receive_frames(1)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return longest


def recovery(count: int) -> str:
    """Milliseconds without a picture for an RTSP viewer whose lobby worker is killed, with a spare worker."""
    pauses = []
    with running_host("[workers]\nspares = 1\n") as host:
        for _ in range(count):  # a lobby of its own each time: one that is killed again and again is made to wait
            lobby = host.create("Benchmark", {"kind": "test"})["id"]
            with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
                viewer.play()
                viewer.receive_frames(60)  # a spare worker is made again meanwhile
                worker = next(p for p in host.workers("lobby") if p.pid in host.lobby(lobby)["workers"])
                worker.kill()
                pauses.append(longest_pause(viewer) * 1000)
            host.delete(lobby)
    return spread(pauses)


def memory() -> list[list[Any]]:
    rows: list[list[Any]] = []
    with running_host("[workers]\nspares = 1\n") as host, chromium() as browser:
        rows.append(["control plane, at start", pss_mib(host.process.pid)])
        egress = host.egress().pid
        rows.append(["egress worker, no viewer", pss_mib(egress)])
        time.sleep(2)
        spares = [process.pid for process in host.workers("egress") if process.pid != egress]
        rows += [["spare egress worker", pss_mib(pid)] for pid in spares]
        rows += [["spare lobby worker", pss_mib(process.pid)] for process in host.workers("lobby")]
        page = browser.new_page()
        page.goto(host.url)
        times = dict(page.evaluate(FIRST_FRAME, {"kind": "test"}))
        time.sleep(3)
        pids = host.lobby(times["lobby"])["workers"]
        rows += [["lobby worker, 1280x720 test picture", pss_mib(pid)] for pid in pids]
        rows.append(["egress worker, one viewer", pss_mib(egress)])
        rows.append(["control plane, one viewer", pss_mib(host.process.pid)])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    count = parser.parse_args().rounds
    test = {"kind": "test", "width": 1280, "height": 720}
    desktop = {"kind": "desktop", "application": "ico", "width": 1280, "height": 720}
    rows = [
        ["test picture, cold", *rounds(0, count, test, 0.2)],
        ["test picture, spare worker", *rounds(1, count, test, 1.5)],
        ["desktop, cold", *rounds(0, count, desktop, 0.2)],
        ["desktop, spare worker", *rounds(1, count, desktop, 1.5)],
    ]
    columns = ["milliseconds: min / median / max", "lobby created", "WHEP answered", "first frame shown"]
    show_table("Create to first decoded frame in Chromium; delete to receipt", [*columns, "delete to receipt"], rows)
    show_table("Lobby worker killed", ["ms without picture: min / median / max"], [[recovery(count)]])
    show_table("Memory", ["process", "PSS MiB"], memory())


if __name__ == "__main__":
    main()
