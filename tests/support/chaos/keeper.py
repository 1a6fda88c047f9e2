"""Starts what the chaos suite runs, and lets nothing of it outlive the suite.

`python -m tests.support.chaos.keeper FOLDER MEBIBYTES` becomes the parent of all that loses its own (prctl(2),
PR_SET_CHILD_SUBREAPER), so that every process of a host stays below it, whoever dies. Run by `unshare -m`, it puts a
small file system of its own at FOLDER (MEBIBYTES 0: none), which is gone with the last process that sees it.

It reads one JSON object a line: {"words": [...], "env": {...}, "log": PATH}, starts that, and answers {"pid": N}. What
ends directly below it is told: {"ended": PID, "code": N}. At the end of its input it kills all that is below it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path

from steadycast.tracking import proc

ROOT = Path(__file__).resolve().parents[3]
PR_SET_CHILD_SUBREAPER = 36
REAP_S = 0.1


class Keeper:
    """Its input and output are the driver's."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[bytes]] = []  # else Python would reap them by itself
        self._pending = b""

    def run(self) -> None:
        """Until the input ends."""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            while True:
                self._reap()
                if selector.select(REAP_S) and not self._read():
                    return

    def _read(self) -> bool:
        data = os.read(0, 65536)
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            self._tell({"pid": self._start(**json.loads(line))})
        return bool(data)

    def _start(self, words: list[str], env: dict[str, str], log: str) -> int:
        with Path(log).open("ab") as output:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=ROOT, start_new_session=True
            )
        self._started.append(child)
        return child.pid

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                self._tell({"ended": found[0], "code": os.waitstatus_to_exitcode(found[1])})

    @staticmethod
    def _tell(what: dict[str, int]) -> None:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(json.dumps(what) + "\n")
            sys.stdout.flush()


def end_all() -> None:
    """SIGKILL for all below, until nothing is left: what forks meanwhile is met by the next round."""
    while True:
        for one in proc.descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def main(folder: str, mebibytes: str) -> None:
    """Prints a line once it is ready."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the end of the input is its end
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)
    if int(mebibytes):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "none", folder], check=True)
    sys.stdout.write("{}\n")
    sys.stdout.flush()
    try:
        Keeper().run()
    finally:
        end_all()


if __name__ == "__main__":
    main(*sys.argv[1:])
