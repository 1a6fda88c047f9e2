"""Many workers that nobody watches: what their heartbeats cost the control plane, and how long it takes to adopt them.

The workers are lobbies that nobody watches, with a tiny film without sound that would be passed on as it is, so that
fifty of them leave room on two cores (a test picture encodes its tone all the time); and one egress worker.
"""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measuring import cpu_exact, free_port, show_table
from benchmarks.survival.audience import DEADLINE_S, kept_state, workers_of
from benchmarks.survival.away import started_again
from tests.support.host import Host, running_host, wait_for

CONFIG = """
[workers]
spares = 0
start_s = 60
request_s = 60
[egress]
spares = 0
[limits]
lobbies = 256
"""
CALLERS = 4  # that create lobbies at the same time
COUNTS = (0, 10, 40)
WINDOW_S = 10.0
SETTLE_S = 2.0
KILLS = 5  # at most


def film(folder: Path) -> Path:
    """64x64, 2 frames a second, a keyframe each 2 s."""
    path = folder / "film.mp4"
    words = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=2:duration=30", "-g", "4"]
    subprocess.run([*words, "-c:v", "libx264", "-profile:v", "baseline", "-pix_fmt", "yuv420p", str(path)], check=True)
    return path


class Crowd:
    """A host with so many lobbies of a film as it is asked for."""

    def __init__(self, host: Host, shown: Path) -> None:
        self._host = host
        self._source = {"kind": "file", "path": str(shown)}
        self._lobbies: list[str] = []

    def grow(self, lobbies: int) -> None:
        """Returns when all stream and have given a sign of life."""
        with ThreadPoolExecutor(CALLERS) as pool:
            self._lobbies += pool.map(self._create, range(lobbies - len(self._lobbies)))
        for lobby in self._lobbies:
            self._host.wait_state(lobby, "STREAMING", deadline_s=DEADLINE_S)
        wait_for("signs of life", lambda: len(living(self._host)) >= lobbies + 1, DEADLINE_S)
        time.sleep(SETTLE_S)

    def cpu_s(self) -> float:
        """Seconds of CPU of the control plane in one second, in which nobody asks it anything."""
        pid, began = self._host.process.pid, time.monotonic()
        before = cpu_exact(pid)
        time.sleep(WINDOW_S)
        return (cpu_exact(pid) - before) / (time.monotonic() - began)

    def _create(self, _: int) -> str:
        return str(self._host.create("Crowd", self._source)["id"])


@dataclass(frozen=True)
class Next:
    """How the next control plane is started."""

    config: str
    state: Path
    port: int
    stack: ExitStack


def living(host: Host) -> list[dict[str, Any]]:
    """Workers that have given a sign of life: here all of them tell figures then."""
    return [worker for worker in workers_of(host) if worker["statistics"]]


def crowd(rounds: int, workers: int) -> None:
    """Heartbeats first, then this many workers are adopted again and again."""
    port = free_port()
    with TemporaryDirectory(prefix="sc-film-") as folder:
        shown = film(Path(folder))
        _measure(rounds, workers, port, shown)


def _measure(rounds: int, workers: int, port: int, shown: Path) -> None:
    config = CONFIG + f"[sources]\nfile_folders = ['{shown.parent}']\n"
    with kept_state(config) as (state, stack):
        host = stack.enter_context(running_host(config, kept=state, port=port))
        lobbies = Crowd(host, shown)
        costs = []
        for count in COUNTS:
            lobbies.grow(count)
            costs.append(lobbies.cpu_s())
        rows = [
            [count, f"{cost * 100:.2f} %", f"{(cost - costs[0]) / count * 1000:.3f}" if count else ""]
            for count, cost in zip(COUNTS, costs, strict=True)
        ]
        columns = ["lobby workers, a heartbeat a second", "control plane, of a core", "ms of CPU a worker a second"]
        show_table("Cost of heartbeats", columns, rows)
        lobbies.grow(workers - 1)
        _adopted(host, workers, min(rounds, KILLS), Next(config, state, port, stack))


def _adopted(host: Host, workers: int, kills: int, again: Next) -> None:
    pids = {worker["pid"] for worker in workers_of(host)}
    rows: list[list[Any]] = []
    for number in range(kills):
        host.kill()
        host, answered = started_again(again.config, again.state, again.port, again.stack)
        adoption = host.get("/api/v1/system")["adoption"]
        adopted = sum(adoption["adopted"].values())
        assert {worker["pid"] for worker in workers_of(host)} == pids
        rows.append(
            [number + 1, f"{adopted} of {workers}", adoption["ended"], adoption["took_s"] * 1000, answered * 1000]
        )
        wait_for("signs of life", lambda host=host: len(living(host)) >= workers, DEADLINE_S)  # type: ignore[misc]
    columns = ["time", "adopted", "ended", "adoption, ms", "from exec until the API answers, ms"]
    show_table(f"Control plane killed with {workers} workers", columns, rows)
