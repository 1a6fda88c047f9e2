"""Processes measured from outside, and tables."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich import box
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
CLIP_S = 20
GOODBYE_S = 10.0
WIDE = 300  # columns of a terminal that no table needs


def make_clip(folder: Path) -> Path:
    """The input that all servers get: 1280x720, 30 frames a second, 2.5 Mbit/s, a keyframe every 2 s, no B-frames."""
    clip = folder / "clip.mp4"
    x264 = "nal-hrd=cbr:keyint=60:min-keyint=60:scenecut=0:bframes=0:filler=1"
    words = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate=30:duration={CLIP_S}"]
    words += ["-c:v", "libx264", "-profile:v", "baseline", "-pix_fmt", "yuv420p", "-preset", "ultrafast"]
    words += ["-b:v", "2500k", "-minrate", "2500k", "-maxrate", "2500k", "-bufsize", "1250k", "-x264-params", x264]
    subprocess.run([*words, str(clip)], check=True)
    return clip


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def pss_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_full_info().pss) / 2**20


@dataclass(frozen=True)
class Load:
    """A server under load: percent of one core for each of its processes, memory, and what its viewers counted."""

    cpu: dict[str, float]
    pss: dict[str, float]
    threads: int
    viewers: int
    with_data: int
    packets_s: float
    lost: int
    bad: int


class Receivers:
    """A process of light receivers."""

    def __init__(self, module: str, *words: str) -> None:
        command = [sys.executable, "-m", f"benchmarks.receivers.{module}", *words]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.connected = int(self._line()["connected"])

    def _line(self) -> dict[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the receivers ended: see their error above")
        return dict(json.loads(line))

    def counts(self) -> dict[str, int]:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._line()

    def close(self) -> None:
        """End them; those that can, say goodbye."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def load_of(pids: dict[str, int], receivers: Receivers, seconds: float) -> Load:
    """CPU of the processes while their viewers count, over this time."""
    before, started = receivers.counts(), time.monotonic()
    cpu_before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    time.sleep(seconds)
    cpu_after = {name: cpu_seconds(pid) for name, pid in pids.items()}
    after, took = receivers.counts(), time.monotonic() - started
    return Load(
        cpu={name: (cpu_after[name] - cpu_before[name]) / took * 100 for name in pids},
        pss={name: pss_mib(pid) for name, pid in pids.items()},
        threads=sum(psutil.Process(pid).num_threads() for pid in pids.values()),
        viewers=receivers.connected,
        with_data=after["with_data"],
        packets_s=(after["packets"] - before["packets"]) / took / max(receivers.connected, 1),
        lost=after["lost"] - before["lost"],
        bad=after["bad"],
    )


def cpu_exact(pid: int) -> float:
    """Seconds of CPU that the threads of a process have used that it has now, to the nanosecond (schedstat)."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """As Markdown, each row on one line."""
    table = Table(title=title, title_justify="left", box=box.MARKDOWN)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row))
    Console(width=WIDE).print(table)


def spread(values: Sequence[float]) -> str:
    """Smallest, median, largest."""
    return f"{min(values):.0f} / {statistics.median(values):.0f} / {max(values):.0f}"
