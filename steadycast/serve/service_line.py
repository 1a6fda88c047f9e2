"""The line to the service manager that started this host (sd_notify(3)): datagrams of text; nobody has to listen."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import MutableMapping

SOCKET = "NOTIFY_SOCKET"
READY = "READY=1"
STOPPING = "STOPPING=1"


def reloading() -> str:
    """Said before a reload; `READY` follows. systemd wants the moment, too (CLOCK_MONOTONIC, microseconds)."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"


class ServiceLine:
    """Takes the address out of the environment, so that no child speaks for this process."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        address = environment.pop(SOCKET, "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def say(self, state: str) -> None:
        """Tell it; a manager that does not listen is no reason to fail."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto(state.encode(), self._address)
