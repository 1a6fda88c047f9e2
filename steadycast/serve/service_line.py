"""The line to the service manager that started this host (sd_notify(3)): datagrams of text; nobody has to listen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

SOCKET = "NOTIFY_SOCKET"
READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"
WATCHDOG, WATCHDOG_PID = "WATCHDOG_USEC", "WATCHDOG_PID"


def reloading() -> str:
    """Said before a reload; `READY` follows. systemd wants the moment, too (CLOCK_MONOTONIC, microseconds)."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"


class ServiceLine:
    """Takes the address out of the environment, so that no child speaks for this process."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        address = environment.pop(SOCKET, "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        asked, whom = environment.pop(WATCHDOG, ""), environment.pop(WATCHDOG_PID, "")
        ours = whom in ("", str(os.getpid())) and asked.isascii() and asked.isdecimal() and int(asked) > 0
        self._watchdog_s = int(asked) / 1e6 if ours else None

    @property
    def watchdog_s(self) -> float | None:
        """How often it wants to hear that this process works; None: it does not ask."""
        return self._watchdog_s

    async def keep_alive(self) -> None:
        """Tell it again and again that the event loop turns; for ever. sd_watchdog_enabled(3) advises half the time."""
        while self._watchdog_s is not None:
            self.say(ALIVE)
            await asyncio.sleep(self._watchdog_s / 2)

    def say(self, state: str) -> None:
        """Tell it; a manager that does not listen is no reason to fail."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto(state.encode(), self._address)
