"""Another program that holds sessions: a real process of its own, so that its pid, its name and its end are real.

It is told on standard input how many sessions to hold, a number a line, and answers with how many it holds. Standard
input ends when the host does, however it ends, and then so does this program.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

from steadycast.vendors.simulated.driver import SimulatedDriver, SimulatedRefusal, SimulatedSession

NAME = "pretended-game"  # at most 15 characters, which is what the kernel keeps
ANSWER_S = 1.5  # until it holds what it can get; the first answer has Python's start in it
OTHERS_S = 2.0  # until the program of a host that was killed is gone
_ROOT = Path(__file__).parents[3]


class ForeignProgram:
    """That program as its host sees it."""

    def __init__(self, folder: Path) -> None:
        self._child = subprocess.Popen(
            (sys.executable, "-S", "-s", "-m", __name__, str(folder)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(_ROOT), "PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
        )
        self._unanswered = 0

    @property
    def pid(self) -> int:
        return self._child.pid

    def runs(self) -> bool:
        return self._child.poll() is None

    def tell(self, sessions: int) -> None:
        """Have it hold this many; `settle` waits until it does. Raises OSError where it ended."""
        assert self._child.stdin is not None
        os.write(self._child.stdin.fileno(), f"{sessions}\n".encode())
        self._unanswered += 1

    def settle(self) -> None:
        """Wait until it did what it was told, for up to `ANSWER_S`: later it does it all the same."""
        assert self._child.stdout is not None
        out = self._child.stdout.fileno()
        end = time.monotonic() + ANSWER_S
        while self._unanswered and select.select([out], [], [], max(0.0, end - time.monotonic()))[0]:
            lines = os.read(out, 4096).count(b"\n")
            if not lines:
                return  # it ended
            self._unanswered -= lines

    def end(self) -> None:
        """End and reap it."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.close()
        try:
            self._child.wait(1.0)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()


def main() -> None:
    """The program itself."""
    Path("/proc/self/comm").write_text(NAME)
    driver = SimulatedDriver(Path(sys.argv[1]))
    end = time.monotonic() + OTHERS_S
    while any(one.foreign for one in driver.sessions()) and time.monotonic() < end:
        time.sleep(0.02)
    held: list[SimulatedSession] = []
    for line in sys.stdin:
        wanted = int(line)
        while len(held) > wanted:
            held.pop().close()
        gpus = driver.facts().gpus
        try:
            while len(held) < wanted:
                held.append(driver.open_session(len(held) % gpus, "h264", 1920, 1080, foreign=NAME))
        except SimulatedRefusal:
            pass  # it takes what it gets
        sys.stdout.write(f"{len(held)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
