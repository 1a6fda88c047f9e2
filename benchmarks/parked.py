"""What it is worth that an encoder is parked when its last viewer leaves: `python -m benchmarks.parked`.

First: milliseconds from a player's connection until its first whole frame has come over RTSP, where the encoder was
parked (`warm`), where it is opened (`cold`), and where somebody else watches (`shared`); and the CPU of the lobby
worker while somebody watches, while its encoder is parked, and with none. Then 200 viewers come and go, by a seed: how
many of those who found nobody watching found an encoder.
"""

from __future__ import annotations

import argparse
import random
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from benchmarks.measuring import cpu_seconds, show_table
from tests.support.host import Host, running_host, wait_for
from tests.support.rtsp_viewer import RtspViewer

SOURCE = {"kind": "test", "width": 1280, "height": 720, "fps": 30}
SMALL = {"kind": "test", "width": 320, "height": 180, "fps": 15}
CPU_S = 6.0
CONFIG = "[workers]\nspares = 0\n[encoders]\ncpu_pixels_per_s = 1e9\n[renditions]\nlinger_s = {linger_s}\n"
LOBBIES = 8  # of the churn
APART_S, WATCHED_S = 0.25, 1.0  # mean times of the churn: between two viewers who come, and of one who stays
LINGER_S = 60.0  # of the churn: as shipped


@contextmanager
def lobby_of(linger_s: float, source: dict[str, Any]) -> Iterator[tuple[Host, str]]:
    with running_host(CONFIG.format(linger_s=linger_s)) as host:
        lobby = str(host.create("Benchmark", source)["id"])
        host.wait_state(lobby, "STREAMING")
        yield host, lobby


def first_frame_ms(host: Host, lobby: str) -> float:
    """From the connection of a player until it has a whole frame; then it leaves."""
    began = time.monotonic()
    with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
        viewer.play()
        viewer.receive_frames(1)
        took = time.monotonic() - began
        viewer.receive_frames(10)
    return took * 1000


def is_in(host: Host, lobby: str, state: str | None) -> bool:
    """Whether its rendition is in this state; None: it is not in use."""
    return all(one["state"] == state for one in host.lobby(lobby)["renditions"])


def worker_cpu(host: Host, lobby: str) -> float:
    """Percent of a core that the lobby's worker takes."""
    pids = host.lobby(lobby)["workers"]
    (worker,) = [one for one in host.workers("lobby") if one.pid in pids]
    began, before = time.monotonic(), cpu_seconds(worker.pid)
    threading.Event().wait(CPU_S)
    return 100 * (cpu_seconds(worker.pid) - before) / (time.monotonic() - began)


def times(rounds: int) -> list[list[str]]:
    rows: list[list[str]] = []
    loads: dict[str, float] = {}
    for name, linger_s, state in (("warm", 600.0, "IDLE"), ("cold", 0.0, None)):
        with lobby_of(linger_s, SOURCE) as (host, lobby):
            took = []
            first_frame_ms(host, lobby)  # what is loaded once
            for _ in range(rounds):
                wait_for("the viewer to be gone", lambda: is_in(host, lobby, state))  # noqa: B023
                threading.Event().wait(0.5)
                took.append(first_frame_ms(host, lobby))
            rows.append(_row(name, took))
            wait_for("the viewer to be gone", lambda: is_in(host, lobby, state))  # noqa: B023
            loads["parked" if state else "no encoder"] = worker_cpu(host, lobby)
            if state is None:
                continue
            with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
                viewer.play()
                thread = threading.Thread(target=_read, args=(viewer,), daemon=True)
                thread.start()
                loads["watched"] = worker_cpu(host, lobby)
                rows.append(_row("shared", [first_frame_ms(host, lobby) for _ in range(rounds)]))
                viewer.socket.shutdown(2)
                thread.join(10)
    show_table("From a player's connection to its first frame, ms", ["encoder", "least", "median", "most"], rows)
    return [[name, f"{loads[name]:.1f}"] for name in ("watched", "parked", "no encoder")]


def _row(name: str, took: list[float]) -> list[str]:
    return [name, *(f"{value:.0f}" for value in (min(took), statistics.median(took), max(took)))]


def _read(viewer: RtspViewer) -> None:
    with suppress(OSError, AssertionError):
        while True:
            viewer.receive_frames(100)


def churn(viewers: int, seed: int) -> list[str]:
    """So many viewers come and go; what the host counted."""
    dice = random.Random(seed)
    visits = [(dice.expovariate(1 / APART_S), dice.randrange(LOBBIES), dice.expovariate(1 / WATCHED_S))
              for _ in range(viewers)]  # fmt: skip
    with running_host(CONFIG.format(linger_s=LINGER_S)) as host:
        lobbies = [str(host.create(f"Benchmark {number}", SMALL)["id"]) for number in range(LOBBIES)]
        for lobby in lobbies:
            host.wait_state(lobby, "STREAMING")
        failed: list[str] = []
        threads = []
        for apart, which, stays in visits:
            threading.Event().wait(apart)
            one = threading.Thread(target=_visit, args=(host, lobbies[which], stays, failed))
            one.start()
            threads.append(one)
        for one in threads:
            one.join(60)
        created, reused, missed = (counted(host, name) for name in ("created", "reused", "missed"))
        share = 100 * reused / (created + reused + missed)
        return [str(seed), str(viewers), str(len(failed)), str(created), str(reused), f"{share:.1f}"]


def counted(host: Host, name: str) -> int:
    """What the pool of encoders counted so far."""
    with urllib.request.urlopen(f"{host.url}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if line.startswith(f'steadycast_pool_{name}_total{{pool="encoders"}}')]
    return int(float(found[0].split()[-1]))


def _visit(host: Host, lobby: str, seconds: float, failed: list[str]) -> None:
    try:
        with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
            viewer.play()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                viewer.receive_frames(1)
    except (OSError, AssertionError) as error:
        failed.append(repr(error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1])
    words = parser.parse_args()
    show_table("CPU of the lobby worker, % of a core", ["encoder", "CPU %"], times(words.rounds))
    rows = [churn(words.viewers, seed) for seed in words.seeds]
    columns = ["seed", "viewers", "failed", "opened", "taken over", "reuse %"]
    show_table(f"Viewers who come and go in {LOBBIES} lobbies", columns, rows)


if __name__ == "__main__":
    main()
