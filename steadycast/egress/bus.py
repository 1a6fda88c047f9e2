"""One bus socket on the event loop. Thin: reads, and hands what it read on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from steadycast.egress.core.intake import Intake

READ_BYTES = 262_144  # one read; a bus socket holds about as much
# All buses are read from one loop, one after the other, and what was read is used up before the next read.
_buffer = bytearray(READ_BYTES)


class Bus:
    """Reads `sock` (taken over) into `on_data(bus, bytes)` until it ends; then, once, `on_end(bus)`.

    `data` is only good during the call. One read a wake-up, so that no bus keeps the loop from the others.
    """

    def __init__(
        self,
        sock: socket.socket,
        intake: Intake,
        on_data: Callable[[Bus, memoryview], None],
        on_end: Callable[[Bus], None],
        name: str = "",
    ) -> None:
        self.name = name  # who opened it calls it so
        self.taken = False  # its track went on with it
        self.intake = intake
        self._sock = sock
        self._on_data = on_data
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._reading = False
        sock.setblocking(False)
        self.resume()

    @property
    def closed(self) -> bool:
        return self._sock.fileno() < 0

    def pause(self) -> None:
        """Stop reading: the sender's queue for us fills, and drops to a keyframe if this lasts."""
        if self._reading:
            self._loop.remove_reader(self._sock.fileno())
            self._reading = False

    def resume(self) -> None:
        """Go on reading."""
        if not self._reading and not self.closed:
            self._loop.add_reader(self._sock.fileno(), self._read)
            self._reading = True

    def close(self) -> None:
        """Close the socket; `on_end` is not called."""
        self.pause()
        self._sock.close()

    def _read(self) -> None:
        try:
            size = self._sock.recv_into(_buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            size = 0  # reset by a sender that died: the end as well
        if size:
            self._on_data(self, memoryview(_buffer)[:size])
        else:
            self.close()
            self._on_end(self)
