"""What settings of malloc leave behind: `python -m benchmarks.allocator [--cycles N]`.

A lobby worker opens an encoding, makes some frames and closes it, again and again, at two sizes by turns. Private
memory of the process is measured from outside when nothing is open. Then the same frames are made for throughput.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from benchmarks.measuring import cpu_seconds, show_table
from steadycast.model import Rendition, TestSource
from steadycast.workers import launch
from steadycast.workers.messages import CloseRendition
from tests.support.lobby_worker import Lobby, lobby_worker

MIB = 2**20
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "glibc as it is": {},
    "2 arenas": {"MALLOC_ARENA_MAX": "2"},
    "1 arena": {"MALLOC_ARENA_MAX": "1"},
    "2 arenas, thresholds 128 KiB": {
        "MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072",
    },
    "2 arenas, thresholds 1 MiB": {
        "MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "1048576",
    },
}  # fmt: skip
SIZES = (Rendition("small", width=1280, height=720), Rendition("large", width=3840, height=2160))
FRAMES = 6
TIMED_FRAMES = 90


def own(lobby: Lobby) -> float:
    return float(psutil.Process(lobby.worker.pid).memory_full_info().uss) / MIB


async def cycle(lobby: Lobby, number: int, frames: int = FRAMES) -> None:
    name = f"r{number}"
    await lobby.open(SIZES[number % 2], name)
    reader = await lobby.read(name, name)
    await reader.frames(frames)
    await lobby.worker.request(CloseRendition(name))
    reader.close()


async def timed(lobby: Lobby, number: int) -> tuple[float, float]:
    """Seconds of wall clock and of CPU for some frames of one size; the source is live at a rate it can hold."""
    began, cpu = time.monotonic(), cpu_seconds(lobby.worker.pid)
    await cycle(lobby, number, TIMED_FRAMES)
    return time.monotonic() - began, cpu_seconds(lobby.worker.pid) - cpu


async def measure(settings: Mapping[str, str], cycles: int) -> list[str]:
    launch.MALLOC = dict(settings)
    with tempfile.TemporaryDirectory(prefix="sc-") as folder:
        async with lobby_worker(Path(folder)) as lobby:
            await lobby.show(TestSource(width=1280, height=720, fps=30))
            await lobby.shows()
            before = own(lobby)
            for number in range(2):
                await cycle(lobby, number)
            warm = own(lobby)
            for number in range(2, cycles):
                await cycle(lobby, number)
            after = own(lobby)
            (_, small), (_, large) = await timed(lobby, 0), await timed(lobby, 1)
    ms = [f"{1000 * seconds / TIMED_FRAMES:.1f}" for seconds in (small, large)]
    return [f"{before:.1f}", f"{warm:.1f}", f"{after:.1f}", f"{after - warm:+.1f}", *ms]


async def run(cycles: int) -> None:
    rows = [[name, *await measure(settings, cycles)] for name, settings in SETTINGS.items()]
    columns = ["malloc", "before", "after 2", f"after {cycles}", "more", "CPU ms a frame 720p", "2160p"]
    show_table(f"Private memory (USS, MiB) with nothing open, {cycles} starts and stops", columns, rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cycles", type=int, default=100)
    asyncio.run(run(arguments.parse_args().cycles))


if __name__ == "__main__":
    main()
