"""A control plane of its own process, to be killed: starts workers in a folder, tells their pids, and waits."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from steadycast.config.settings import WorkerSettings
from steadycast.model import TestSource, WorkerKind
from steadycast.workers.channel import Descriptors
from steadycast.workers.messages import CloseRendition, ShowDisplay, ShowSource
from steadycast.workers.supervisor import MODULES, Supervisor


def _ignore(message: Any, fds: Descriptors) -> None:
    return


async def _family(supervisor: Supervisor) -> str:
    """Workers whose programs forked away; the pids of both and the number of the display."""
    lobby = await supervisor.start(WorkerKind.LOBBY, lobby="one", on_message=_ignore)
    await lobby.request(CloseRendition("fork away"))
    display = await supervisor.start(WorkerKind.DISPLAY, lobby="two", on_message=_ignore)
    shown = await display.request(ShowDisplay("two", ("setsid", "-f", "sleep", "600"), 320, 240))
    return f"{lobby.pid} {display.pid} {shown['display'][1:]}"


async def _crowd(supervisor: Supervisor) -> str:
    """Three workers that count aloud."""
    workers = [
        await supervisor.start(WorkerKind.LOBBY, lobby=f"lobby {n}", on_message=_ignore, on_request=None)
        for n in range(3)
    ]
    for worker in workers:
        await worker.request(ShowSource(worker.lobby or "", TestSource()))
    await workers[0].request(CloseRendition("ask the next"))
    return " ".join(str(worker.pid) for worker in workers)


async def main(runtime: Path, orphan_timeout_s: float, mode: str) -> None:
    lobby = "tests.support.odd_child" if mode == "family" else "tests.support.ticking_child"
    modules = dict(MODULES) | {WorkerKind.LOBBY: lobby}
    settings = WorkerSettings(spares=1, orphan_timeout_s=orphan_timeout_s)
    supervisor = Supervisor(runtime, settings, lambda receipt: None, modules=modules, gstreamer=False)
    await supervisor.open()
    await supervisor.adopt()
    told = await (_family if mode == "family" else _crowd)(supervisor)
    sys.stdout.write(f"{told}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]))
