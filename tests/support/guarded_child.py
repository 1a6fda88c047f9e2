"""A server to be guarded, that behaves as its words say. Each word is done in its turn:

say=TEXT  wait=SECONDS  exit=CODE  pid=FILE (write own pid)  deaf (ignore SIGTERM)  stay (for ever)
hoard=SECONDS (lose a descriptor each time)  stray=FILE (a child that leaves session and parent, its pid into FILE)
daemon=FILE (go into the background, pid into FILE)
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path


def leave(path: str, stays: bool) -> None:
    """Fork twice; `stays`: this process goes on here, else what was forked goes on."""
    if (child := os.fork()) != 0:
        os.waitpid(child, 0)
        if stays:
            return
        os._exit(0)
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    Path(f"{path}.new").write_text(f"{os.getpid()}\n")
    Path(f"{path}.new").rename(path)
    if stays:
        time.sleep(3600)


def main() -> None:
    for word in sys.argv[1:]:
        name, _, value = word.partition("=")
        if name == "say":
            os.write(1, f"{value}\n".encode())
        elif name == "wait":
            time.sleep(float(value))
        elif name == "exit":
            sys.exit(int(value))
        elif name == "pid":
            Path(value).write_text(f"{os.getpid()}\n")
        elif name == "hoard":
            while True:
                os.open(os.devnull, os.O_RDONLY)
                time.sleep(float(value))
        elif name == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        elif name == "stray":
            leave(value, stays=True)
        elif name == "daemon":
            leave(value, stays=False)
        elif name == "stay":
            time.sleep(3600)


main()
