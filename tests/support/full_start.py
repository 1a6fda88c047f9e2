"""Run by `unshare -m`: a host on a small disk leaves its workers, the disk is filled to the last byte, and the next
host starts on it. Prints JSON: what it found, and its log.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tests.support.full_disk import fill
from tests.support.host import ROOT, wait_for

DISK = "64m"
T = TypeVar("T")
TEST = {"name": "one", "key": "one", "source": {"kind": "test", "width": 320, "height": 240}}


class Host:
    """Found by its port: on a full disk there is no host.json. Its log is elsewhere."""

    def __init__(self, disk: Path, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api/v1"
        self.log = log
        config = log.with_suffix(".toml")
        config.touch()
        words = [sys.executable, "-m", "steadycast", "serve", "--state", str(disk), "--port", str(port)]
        words += ["--config", str(config)]
        with log.open("wb") as file:
            self.process = subprocess.Popen([*words, "--rtsp-port", "0"], cwd=ROOT, stdout=file, stderr=file)
        self.till("the lobbies", lambda: self.ask("GET", "/lobbies")[0] == 200)

    def till(self, what: str, look: Callable[[], T | None]) -> T:
        """What `look` returns once it is true; fails, and ends the host, where that takes too long or the host ends."""

        def alive() -> T | None:
            assert self.process.poll() is None, f"the host ended with {self.process.returncode}"
            return look()

        try:
            return wait_for(what, alive, 60)
        except AssertionError:
            sys.stderr.write(self.log.read_text()[-4000:])
            self.end(signal.SIGTERM)
            raise

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of an answer; status 0 where nobody answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())
        except OSError:
            return 0, None

    def streams(self) -> dict[str, Any]:
        """Its lobby, once it streams."""

        def look() -> dict[str, Any] | None:
            view: dict[str, Any] = self.ask("GET", "/lobbies/one")[1] or {}
            return view if view.get("state") == "STREAMING" else None

        return self.till("STREAMING", look)

    def end(self, number: signal.Signals) -> int:
        """Its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


def start_full(folder: Path) -> dict[str, object]:
    """What is printed."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "none", str(disk)], check=True)
    first = Host(disk, folder / "first.log")
    first.ask("POST", "/lobbies", TEST)
    before = first.streams()
    first.end(signal.SIGQUIT)
    fill(disk)
    second = Host(disk, folder / "second.log")
    try:
        after = second.streams()
        adoption = second.ask("GET", "/system")[1]["adoption"]
    finally:
        (disk / "ballast").unlink()
        code = second.end(signal.SIGTERM)
    return {
        "same": [before[name] == after[name] for name in ("id", "created", "since", "workers")],
        "adopted": adoption["adopted"],
        "code": code,
        "left": os.listdir(disk / "run" / "workers"),  # noqa: PTH208 - names only
        "log": second.log.read_text(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(start_full(Path(sys.argv[1]))))
