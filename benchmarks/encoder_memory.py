"""What an encoder takes, foretold and measured: `python -m benchmarks.encoder_memory`.

A lobby worker shows a test picture of the same size, so that nothing is scaled; private memory of the process is
measured from outside before and after an encoder was opened and made its first frames.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

import psutil

from benchmarks.measuring import show_table
from steadycast.leases.encoder_memory import in_software
from steadycast.model import Codec, Rendition, TestSource
from tests.support.lobby_worker import Lobby, lobby_worker, ordered

MIB = 2**20
SIZES = ((1280, 720), (1920, 1080), (3840, 2160))
ROWS = {"h264": "x264", "h265": "x265", "vp8": "vp8", "vp9": "vp9", "av1": "aom"}
FRAMES = 20


def own(lobby: Lobby) -> float:
    return float(psutil.Process(lobby.worker.pid).memory_full_info().uss) / MIB


async def measured(codec: str, width: int, height: int, references: int) -> float:
    with tempfile.TemporaryDirectory(prefix="sc-") as folder:
        async with lobby_worker(Path(folder)) as lobby:
            await lobby.show(TestSource(width=width, height=height, fps=5))
            await lobby.shows()
            before = own(lobby)
            rendition = Rendition("main", codec=codec, references=references)  # type: ignore[arg-type]
            await lobby.open(rendition, "main", ordered(ROWS[codec]))
            reader = await lobby.read("main")
            most = own(lobby)
            for count in range(5, FRAMES + 1, 5):
                await reader.frames(count)
                most = max(most, own(lobby))
            reader.close()
            return most - before


async def run(codecs: list[str]) -> None:
    rows = []
    for codec in codecs:
        for width, height in SIZES:
            for references in (1, 4) if codec in ("h264", "h265") else (1,):
                found = await measured(codec, width, height, references)
                foretold = in_software(Codec(codec), width, height, references).total / MIB
                row = [f"{codec} {height}p", references, f"{foretold:.0f}", f"{found:.0f}", f"{foretold / found:.2f}"]
                rows.append(row)
    columns = ["encoder", "references asked", "foretold, MiB", "measured, MiB", "foretold / measured"]
    show_table("Own memory of a process that an encoder takes", columns, rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--codecs", default="h264,h265,vp8,vp9,av1")
    asyncio.run(run(arguments.parse_args().codecs.split(",")))


if __name__ == "__main__":
    main()
