"""A control plane of its own process, to be killed: starts workers in a folder, tells their pids, and waits."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from steadycast.config.settings import WorkerSettings
from steadycast.model import WorkerKind
from steadycast.workers.channel import Descriptors
from steadycast.workers.messages import CloseRendition, ShowDisplay
from steadycast.workers.supervisor import MODULES, Supervisor


def _ignore(message: Any, fds: Descriptors) -> None:
    return


async def main(runtime: Path, orphan_timeout_s: float) -> None:
    modules = dict(MODULES) | {WorkerKind.LOBBY: "tests.support.odd_child"}
    settings = WorkerSettings(spares=1, orphan_timeout_s=orphan_timeout_s)
    supervisor = Supervisor(runtime, settings, lambda receipt: None, modules=modules, gstreamer=False)
    await supervisor.open()
    await supervisor.adopt()
    lobby = await supervisor.start(WorkerKind.LOBBY, lobby="one", on_message=_ignore)
    await lobby.request(CloseRendition("fork away"))
    display = await supervisor.start(WorkerKind.DISPLAY, lobby="two", on_message=_ignore)
    shown = await display.request(ShowDisplay("two", ("setsid", "-f", "sleep", "600"), 320, 240))
    sys.stdout.write(f"{lobby.pid} {display.pid} {shown['display'][1:]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
