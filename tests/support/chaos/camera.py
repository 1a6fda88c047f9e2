"""The camera under chaos: a real RTSP server on one port, killed, frozen and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from tests.support.chaos.ground import Ground
from tests.support.chaos.plane import free_port
from tests.support.chaos.processes import Processes, send

UP_S = 60.0  # until it serves; it decodes a file first


class Camera:
    """`url` is the same for all its lives."""

    def __init__(self, ground: Ground, processes: Processes, media: Path) -> None:
        self._media = media
        self._ground = ground
        self._processes = processes
        self._port = free_port()
        self.pid = 0
        self.lock = asyncio.Lock()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._port}/cam"

    async def start(self) -> None:
        """Returns once it takes connections."""
        words = [sys.executable, "-m", "tests.support.camera", "--codec", "h264", "--port", str(self._port)]
        words += ["--file", str(self._media)]
        self.pid = await self._ground.start(words, dict(os.environ), self._ground.folder / "camera.log")
        self._processes.strangers.add(self.pid)
        end = time.monotonic() + UP_S
        while time.monotonic() < end:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
        raise AssertionError("the camera did not start")

    async def kill(self) -> None:
        send(self.pid, signal.SIGKILL)
        await self._ground.wait(self.pid, UP_S)

    def freeze(self, frozen: bool) -> None:
        """Connections stay, and nothing is sent."""
        send(self.pid, signal.SIGUSR1 if frozen else signal.SIGUSR2)
