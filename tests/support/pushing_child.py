"""Producers that are killed while they hold slots. `PATH ROUNDS`: one after the other, with a line for each: how many
slots it got, or the code of the error."""

from __future__ import annotations

import os
import signal
import sys
import time

from steadycast.errors import SteadycastError
from steadycast.frames.messages import Frame
from steadycast.push.link import Link

WAIT_S = 30.0


def hold(path: str, tell: int) -> None:
    """Fill some slots, half of another one, and wait for the end."""
    try:
        link = Link(path, WAIT_S)
    except SteadycastError as error:
        os.write(tell, error.code.encode())
        os._exit(1)
    slots = len(link._maps)
    for _ in range(2):
        slot = link.take(time.monotonic() + WAIT_S)
        assert slot is not None
        with link.view(slot) as view:
            view[:] = b"\x40" * len(view)
        link.send(Frame(slot))
    last = link.take(time.monotonic() + WAIT_S)
    assert last is not None
    link.view(last)[: link.layout.size // 2] = b"\xff" * (link.layout.size // 2)
    os.write(tell, str(slots).encode())
    signal.pause()


def main(path: str, rounds: int) -> None:
    for _ in range(rounds):
        hear, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(hear)
            hold(path, tell)
        os.close(tell)
        said = os.read(hear, 100).decode()
        os.close(hear)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
