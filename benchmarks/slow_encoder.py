"""An encoder that is far too slow, for long: `python -m benchmarks.slow_encoder [--minutes N]`.

It takes a fifth of a second for each frame of a source of 30 a second. Private memory is measured from outside once a
second; nothing may grow.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.measuring import show_table
from steadycast.model import Rendition, TestSource
from tests.support.lobby_worker import lobby_worker, ordered

MIB = 2**20
SLOW = "identity sleep-time=200000 ! x264enc tune=zerolatency speed-preset=ultrafast bitrate={bitrate_kbps}"
SETTLE_S = 20.0


async def run(minutes: float) -> None:
    order = dataclasses.replace(ordered("x264"), entry="fragment", fragment=SLOW)
    levels: list[float] = []
    with tempfile.TemporaryDirectory(prefix="sc-") as folder:
        async with lobby_worker(Path(folder)) as lobby:
            await lobby.show(TestSource(width=1920, height=1080, fps=30))
            await lobby.shows()
            await lobby.open(Rendition("main"), "main", order)
            worker = psutil.Process(lobby.worker.pid)
            await asyncio.sleep(SETTLE_S)
            began = time.monotonic()
            while time.monotonic() - began < 60 * minutes:
                levels.append(worker.memory_full_info().uss / MIB)
                await asyncio.sleep(1)
            raw = lobby.worker.statistics["tracks"]["main"]["raw"]
    middle = len(levels) // 2
    early, late = max(levels[:middle]), max(levels[middle:])
    columns = ["frames came", "left out", "memory made", "used again", "MiB least", "most, first half", "second half"]
    counts = [raw["came"], raw["dropped"], raw["created"], raw["reused"]]
    row = [*counts, *(f"{one:.0f}" for one in (min(levels), early, late))]
    show_table(f"1080p30 into an encoder of 5 frames a second, {minutes:g} minutes", columns, [row])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10.0)
    asyncio.run(run(arguments.parse_args().minutes))


if __name__ == "__main__":
    main()
