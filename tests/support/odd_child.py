"""A worker that does what workers must not do, as its orders say. Started by the supervisor like any other."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import Any

from steadycast.errors import CallerError
from steadycast.tracking.proc import descriptors
from steadycast.workers.channel import Descriptors
from steadycast.workers.child import Parent, run_child
from steadycast.workers.messages import CloseRendition, ForceKeyframe
from steadycast.workers.messages.stock import LobbyStock, Stock

FORK_AWAY = "import os,time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n  time.sleep(600)\nos._exit(0)\n"


class Odd:
    """`ForceKeyframe.track` and `CloseRendition.name` are the orders."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._hang_at_close = False
        self._beats = 0

    def on_message(self, message: Any, fds: Descriptors) -> None:
        if not isinstance(message, ForceKeyframe):
            return
        match message.track:
            case "die":
                os._exit(3)
            case "segv":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "busy":
                while True:
                    time.sleep(1)
            case "garbage":
                assert self._parent.channel is not None
                self._parent.channel._sock.send(b"\xff no message")
            case "hang at close":
                self._hang_at_close = True
            case "echo":
                self._parent.post(message)

    async def on_request(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        order = message.name if isinstance(message, CloseRendition) else ""
        match order:
            case "stubborn":
                asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                self._hang_at_close = True
            case "fork away":
                await asyncio.to_thread(subprocess.run, [sys.executable, "-c", FORK_AWAY], check=True)
            case "child":
                await asyncio.to_thread(subprocess.Popen, ["sleep", "600"])
            case "nonsense":
                raise CallerError("test.nonsense", "that is nonsense", why="because", hint="do not", status=406)
            case "bug":
                raise KeyError("bug")
            case "slow":
                await asyncio.sleep(600)
            case "descriptor":
                fd = fds.take()
                os.write(fd, b"x")
                os.close(fd)
            case "environment":
                return dict(os.environ)
        return {"pid": os.getpid(), "fds": len(descriptors() or ())}

    def statistics(self) -> dict[str, Any]:
        self._beats += 1
        return {"beats": self._beats}

    def stock(self, after: int) -> tuple[Stock, int | None]:
        return LobbyStock(), None

    async def close(self) -> None:
        if self._hang_at_close:
            while True:
                time.sleep(1)  # noqa: ASYNC251 - it hangs, and the loop with it


if __name__ == "__main__":
    run_child("lobby", Odd)
