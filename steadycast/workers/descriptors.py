"""Descriptors that travel beside a message (SCM_RIGHTS)."""

from __future__ import annotations

import array
import contextlib
import os
import socket
from collections.abc import Sequence

from steadycast.errors import WorkerError


class Descriptors:
    """Descriptors that came with a message. The handler takes what it keeps; the channel closes the rest."""

    def __init__(self, fds: Sequence[int] = ()) -> None:
        self._fds = list(fds)

    def __len__(self) -> int:
        return len(self._fds)

    def take(self) -> int:
        """The next descriptor, now owned by the caller. Raises WorkerError where none is left."""
        if not self._fds:
            raise WorkerError("worker.descriptor", "the message came without the descriptor it needs")
        return self._fds.pop(0)

    def ancillary(self) -> list[tuple[int, int, bytes]]:
        """What `sendmsg` takes, so that they travel with a message; they stay the sender's, too."""
        return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", self._fds).tobytes())] if self._fds else []

    @classmethod
    def received(cls, ancillary: Sequence[tuple[int, int, bytes]]) -> Descriptors:
        """What `recvmsg` gave."""
        fds = array.array("i")
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        return cls(fds)

    def close(self) -> None:
        while self._fds:
            with contextlib.suppress(OSError):
                os.close(self._fds.pop())
