"""A server for tests: sessions come and go and it says so as Sunshine does; by switch it keeps something of each.

python leaking_server_child.py [--every SECONDS] [--keep nothing|descriptor|memory] [--size BYTES] [--children]
                               [--sessions N] [--pairs N]

`--pairs`: so many pairs of sockets are kept as well with each descriptor.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time


def say(line: str) -> None:
    """To the log."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serves sessions one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=float, default=0.02)
    parser.add_argument("--keep", default="nothing")
    parser.add_argument("--children", action="store_true")
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=0)
    words = parser.parse_args()
    kept: list[object] = []
    for number in range(words.sessions):
        say(f"session {number}: CLIENT CONNECTED")
        connection, peer, frame = *socket.socketpair(), os.urandom(words.size)
        child = subprocess.Popen(["sleep", str(words.every / 2)]) if words.children else None
        time.sleep(words.every / 2)
        if child is not None:
            child.wait()
        peer.close()
        if words.keep == "descriptor":
            kept += [connection, *(socket.socketpair() for _ in range(words.pairs))]
        else:
            connection.close()
        if words.keep == "memory":
            kept.append(frame)
        say(f"session {number}: CLIENT DISCONNECTED")
        time.sleep(words.every / 2)
    sys.exit(3)


if __name__ == "__main__":
    main()
