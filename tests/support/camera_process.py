"""A camera for tests: a real RTSP server in another process that serves a real video."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Camera:
    """The running server; `url` is where it serves."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-m", "tests.support.camera", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("rtsp://"), f"the camera did not start: {self.url!r}"

    @property
    def port(self) -> int:
        return int(self.url.split("@")[-1].split("://")[-1].split("/")[0].rsplit(":", 1)[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


@contextlib.contextmanager
def camera(*words: str) -> Iterator[str]:
    """Serves with these words of the command line; gives the address."""
    server = Camera(*words)
    try:
        yield server.url
    finally:
        server.kill()
