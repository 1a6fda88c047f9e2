"""Stands in for `systemctl` in front of one unit, in the words of systemd 252. Its state is in $STAND_IN: `state`
(active, inactive, failed), `pid`; each call is a line of `calls`. The unit's program is `server` there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

HOME = Path(os.environ["STAND_IN"])


def value(name: str, default: str) -> str:
    path = HOME / name
    return path.read_text().strip() if path.exists() else default


def running() -> bool:
    pid = value("pid", "")
    try:
        return bool(pid) and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def show() -> None:
    state = value("state", "inactive")
    if state == "active" and not running():
        state = "failed"
    pid = value("pid", "0") if state == "active" else "0"
    result = "exit-code" if state == "failed" else "success"
    os.write(
        1,
        f"LoadState=loaded\nActiveState={state}\nSubState={'running' if pid != '0' else 'dead'}\nResult={result}\n"
        f"MainPID={pid}\nControlGroup=\nExecMainStatus=1\nExecMainCode=1\n".encode(),
    )


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    if words[0] == "show":
        show()
        return
    with (HOME / "calls").open("a") as calls:
        calls.write(f"{words[0]}\n")
    if words[0] == "start":
        child = subprocess.Popen([str(HOME / "server")], stdin=-3, stdout=-3, stderr=-3, start_new_session=True)
        (HOME / "pid").write_text(str(child.pid))
        (HOME / "state").write_text("active")
    elif words[0] == "stop":
        if running():
            os.kill(int(value("pid", "0")), signal.SIGTERM)
        (HOME / "state").write_text("inactive")


main()
