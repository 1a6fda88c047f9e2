"""X displays from outside: who has which number, and what a dead X server left in /tmp.

A server that chose its number itself (-displayfd) makes a socket and no lock; one that a program started (Xephyr, a
nested Xvfb) makes both.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Collection
from pathlib import Path

LOCKS = Path("/tmp")
SOCKETS = Path("/tmp/.X11-unix")


def lock_path(number: int) -> Path:
    return LOCKS / f".X{number}-lock"


def socket_path(number: int) -> Path:
    return SOCKETS / f"X{number}"


def lock_owner(number: int) -> int | None:
    """The pid that the lock of a display names; None where there is no lock or it cannot be read."""
    try:
        text = lock_path(number).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def held_by(pids: Collection[int]) -> tuple[int, ...]:
    """Numbers of the displays whose locks name one of these processes."""
    found = []
    for lock in LOCKS.glob(".X*-lock"):
        number = lock.name[2:-5]
        if number.isdigit() and lock_owner(int(number)) in pids:
            found.append(int(number))
    return tuple(sorted(found))


def left_over(number: int, servers: Collection[int]) -> tuple[str, ...]:
    """Files of a display that the ended X servers with these pids left. One that another server took is not ours."""
    owner = lock_owner(number)
    if owner is not None and owner not in servers:
        return ()
    found = [str(lock_path(number))] if owner is not None else []
    if socket_path(number).exists() and not _answers(socket_path(number)):
        found.append(str(socket_path(number)))
    return tuple(found)


def remove(number: int, servers: Collection[int]) -> None:
    """Remove what `left_over` finds; what cannot be removed is found again by the next look."""
    for path in left_over(number, servers):
        with contextlib.suppress(OSError):
            Path(path).unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # a full backlog or missing rights: somebody listens
    return True
