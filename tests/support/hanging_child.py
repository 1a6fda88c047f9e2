"""A worker that hangs in the ways of drivers and programs. `ForceKeyframe.track` says how."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from typing import Any

from steadycast.workers.channel import Descriptors
from steadycast.workers.child import Parent, run_child
from steadycast.workers.messages import ForceKeyframe
from steadycast.workers.messages.stock import LobbyStock, Stock
from tests.support.odd_child import FORK_AWAY

SECRET = "rtsp://admin:hunter2@camera.example/stream?token=abcdef"


class Hanging:
    def __init__(self, parent: Parent) -> None:
        self._frames = 0
        self._stands = False

    def on_message(self, message: Any, fds: Descriptors) -> None:
        if isinstance(message, ForceKeyframe):
            logging.warning("camera at %s is asked to %s", SECRET, message.track)
            getattr(self, "_" + message.track.replace(" ", "_"))()

    def _hold_the_interpreter(self) -> None:
        ctypes.PyDLL(None).sleep(600)

    def _call_a_driver(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ctypes.CDLL(None).sleep(600)

    def _stop(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def _leave_children(self) -> None:
        """A zombie that nobody reaps, and one that forked away from session and parent."""
        if os.fork() == 0:
            os._exit(0)
        subprocess.run([sys.executable, "-c", FORK_AWAY], check=True)
        while True:
            time.sleep(1)

    def _stand_still(self) -> None:
        self._stands = True

    async def on_request(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        return {}

    def stock(self, after: int) -> tuple[Stock, int | None]:
        return LobbyStock(), None

    def statistics(self) -> dict[str, Any]:
        self._frames += not self._stands
        return {"source": {"frames": self._frames}, "tracks": {}}

    async def close(self) -> None:
        pass


if __name__ == "__main__":
    run_child("lobby", Hanging)
