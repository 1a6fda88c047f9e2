"""Stands in for `docker` in front of one container: inspect, start, stop, logs --follow. State is in $STAND_IN.

A container is a program of that name in $STAND_IN; its output goes to `log`, its pid to `pid`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(os.environ["STAND_IN"])
PID, LOG, START = HOME / "pid", HOME / "log", HOME / "start"


def pid() -> int:
    """0 where it does not run, as docker says it."""
    try:
        number = int(PID.read_text())
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return 0
    return 0 if state == "Z" else number


def start(name: str) -> None:
    if pid():
        return
    with LOG.open("ab") as log:
        START.write_text(str(log.tell()))
        child = subprocess.Popen(
            [str(HOME / name)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    PID.write_text(f"{child.pid}\n")
    os.write(1, f"{name}\n".encode())


def stop(name: str) -> None:
    if number := pid():
        os.kill(number, signal.SIGTERM)
        while pid():
            time.sleep(0.02)
    os.write(1, f"{name}\n".encode())


def follow(since: float) -> None:
    """From a moment on, until it ends: what the container wrote since its last start, where it started later."""
    with LOG.open("rb") as log:
        began = PID.stat().st_mtime if PID.exists() else time.time()
        log.seek(int(START.read_text()) if began + 0.05 >= since else LOG.stat().st_size)
        while True:
            if data := log.read():
                os.write(1, data)
            elif not pid():
                return
            time.sleep(0.02)


def main() -> None:
    command, name = sys.argv[1], sys.argv[-1]
    if command == "inspect":
        assert sys.argv[2:4] == ["--format", "{{.State.Pid}}"]
        os.write(1, f"{pid()}\n".encode())
    elif command == "start":
        start(name)
    elif command == "stop":
        stop(name)
    elif command == "logs":
        assert "--follow" in sys.argv
        follow(float(sys.argv[sys.argv.index("--since") + 1]))
    else:
        sys.exit(f"docker: {command!r} is not a docker command")


main()
