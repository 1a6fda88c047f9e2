"""What pushed pictures cost at 1080p, against an appsrc in the program's own process: `python -m benchmarks.push`.

Rows: a program pushes as fast as it may (240 a second, the most a lobby takes), nobody watches; 30 a second, and x264
encodes. The picture is noise, the worst for an encoder. *Copies* are those of whole pictures, by all processes. The
peer: the same program with a GStreamer pipeline of its own, as tutorials write it
(`Gst.Buffer.new_wrapped(picture.tobytes())`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.measuring import cpu_seconds, show_table
from steadycast.frames import layout
from steadycast.frames.messages import Frame
from steadycast.model import PushSource, Rendition
from steadycast.push.link import Link
from steadycast.push.pixels import fill
from tests.support import outside
from tests.support.lobby_worker import lobby_worker

SIZE = (1920, 1080)
WAIT_S = 30.0
Format = Literal["RGBA", "I420"]
FORMATS: tuple[Format, ...] = ("RGBA", "I420")
RATES = (240, 30)  # as fast as it goes, and as it is watched


def picture(format: str) -> Any:
    one = layout(format, *SIZE)
    return np.random.default_rng(1).integers(0, 256, one.tight, "uint8")


def push(path: str, format: str, seconds: float) -> int:
    """As `steadycast.Push.frame` does; how many."""
    given, count, link = picture(format), 0, Link(path, WAIT_S)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        slot = link.take(end + WAIT_S)
        assert slot is not None
        with link.view(slot) as view:
            fill(view, link.layout, given)
        link.send(Frame(slot))
        count += 1
    link.close()
    return count


def own_pipeline(format: str, rate: int, seconds: float) -> int:
    """The peer, in this process; how many."""
    from steadycast.pipelines.gst import Gst

    given, count = picture(format), 0
    encoder = "videoconvert ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=5600 ! fakesink"
    tail = f"queue max-size-buffers=2 ! {encoder}" if rate == 30 else ""
    raw = f"video/x-raw,format={format},width={SIZE[0]},height={SIZE[1]},framerate={rate}/1"
    source = f"appsrc name=s is-live=true format=time block=true max-buffers=2 caps={raw} ! tee allow-not-linked=true"
    pipeline = Gst.parse_launch(f"{source} ! {tail}" if tail else source)
    element = pipeline.get_by_name("s")
    pipeline.set_state(Gst.State.PLAYING)
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        buffer = Gst.Buffer.new_wrapped(given.tobytes())
        buffer.pts = count * Gst.SECOND // rate
        element.emit("push-buffer", buffer)
        count += 1
        time.sleep(max(0.0, began + count / rate - time.monotonic()))
    pipeline.set_state(Gst.State.NULL)
    return count


def child(words: list[str]) -> None:
    """One side in a process of its own: prints what it did."""
    format, seconds = words[1], float(words[2])
    began, before = time.monotonic(), time.process_time()
    count = push(words[3], format, seconds) if words[0] == "push" else own_pipeline(format, int(words[3]), seconds)
    print(json.dumps([count, time.monotonic() - began, time.process_time() - before]))


async def run(*words: str) -> tuple[int, float, float]:
    """Pictures, seconds, and seconds of CPU of such a child."""
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.push", "--child", *words, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await made.communicate()
    count, took, cpu = json.loads(out)
    return int(count), float(took), float(cpu)


async def pushed(format: Format, rate: int, seconds: float) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        async with lobby_worker(Path(folder)) as lobby:
            source = PushSource(width=SIZE[0], height=SIZE[1], fps=rate, format=format)
            await lobby.show(source)
            await lobby.shows()
            await outside.until(lambda: lobby.worker.statistics.get("source", {}).get("push"), WAIT_S)
            if rate == 30:
                await lobby.open(Rendition("main"))
            before = cpu_seconds(lobby.worker.pid)
            told = lobby.worker.statistics["source"]["push"]
            count, took, cpu = await run("push", format, str(seconds), told["address"])
            spent = cpu_seconds(lobby.worker.pid) - before
            await outside.until(lambda: lobby.worker.statistics["source"]["push"]["producers"] == 1, WAIT_S)
            await outside.until(lambda: lobby.worker.statistics["source"]["push"]["producer"] is None, WAIT_S)
            told = lobby.worker.statistics["source"]["push"]
    copies = 1 + told["copied"] / max(1, told["shown"])
    return [count / took, 1000 * cpu / count, 1000 * spent / count, copies]


async def measure(seconds: float) -> None:
    rows = []
    for rate in RATES:
        for format in FORMATS:
            what = f"{format}, {'nobody watches' if rate == 240 else 'x264 encodes'}"
            rows.append([f"{what}: pushed", *await pushed(format, rate, seconds)])
            count, took, cpu = await run("own", format, str(seconds), str(rate))
            rows.append([f"{what}: own pipeline", count / took, 1000 * cpu / count, "", 2.0])
    columns = ("", "pictures/s", "program, CPU ms a picture", "lobby worker, CPU ms a picture", "copies")
    show_table(f"{SIZE[0]}x{SIZE[1]}, {seconds:g} s each", columns, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child)
    else:
        asyncio.run(measure(asked.seconds))
