"""gst-launch as a player: watched until it has shown enough, then ended as by Ctrl-C.

Not by `eos-after` or `num-buffers`: from GStreamer 1.26 on, rtspsrc does not end its streams when a sink is full.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from dataclasses import dataclass

DEADLINE_S = 60.0
END_S = 20.0  # rtspsrc may wait for an answer to its TEARDOWN
MARK = "GstIdentity:"


def counted(name: str) -> tuple[str, ...]:
    """The words of an element that makes gst-launch -v print a line for each frame."""
    return ("identity", f"name={name}", "silent=false")


@dataclass(frozen=True)
class Played:
    enough: bool
    out: str


async def play(*words: str, frames: dict[str, int], deadline_s: float = DEADLINE_S) -> Played:
    """Play until each of the `counted` elements has seen so many frames; not enough where it ended before."""
    child = await asyncio.create_subprocess_exec(
        "gst-launch-1.0", "-v", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, limit=1 << 20
    )
    assert child.stdout is not None
    seen: Counter[str] = Counter()
    lines: list[str] = []
    try:
        async with asyncio.timeout(deadline_s):
            while any(seen[name] < number for name, number in frames.items()):
                line = (await child.stdout.readline()).decode(errors="replace")
                if not line:
                    break
                lines.append(line)
                if MARK in line and "last-message = chain" in line:
                    seen[line.partition(MARK)[2].partition(":")[0]] += 1
    except TimeoutError:
        pass
    finally:
        await _end(child)
    return Played(all(seen[name] >= number for name, number in frames.items()), "".join(lines))


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        child.send_signal(signal.SIGINT)
    try:
        await asyncio.wait_for(child.communicate(), END_S)
    except TimeoutError:
        child.kill()
        await child.communicate()
