"""A connection to one lobby worker: its slots, mapped, and whose each is."""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import socket
import time
from collections import deque
from pathlib import Path
from typing import Any

from steadycast.errors import CallerError, ConflictError, RefusedError, SteadycastError, WorkerError
from steadycast.frames import Layout, layout
from steadycast.frames.messages import (
    LONGEST,
    SLOTS_MAX,
    TO_PRODUCER,
    VERSION,
    Bye,
    Come,
    Frame,
    Free,
    Moved,
    Refused,
    Retire,
    Welcome,
    pack,
    unpack,
)  # fmt: skip

LOST = "push.lost"
_LATER = ("push.no_room", "push.taken")  # what the host refuses now and may take later


class Link:
    """`welcome` is there once it is made. Raises SteadycastError: RefusedError and WorkerError where later may help."""

    def __init__(self, path: str, seconds: float) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self._maps: dict[int, mmap.mmap] = {}
        self._free: deque[int] = deque()
        self.refused: deque[Refused] = deque(maxlen=SLOTS_MAX)
        self.moved: str | None = None
        try:
            self._sock.settimeout(seconds)
            self._sock.connect(path)
            self._sock.sendall(pack(Come(VERSION)))
            self.layout = self._welcome()
            self._sock.setblocking(False)
        except TimeoutError:
            self.close()
            raise WorkerError(LOST, "The lobby's worker does not answer.", why=f"{seconds:g} s are over.") from None
        except OSError as error:
            self.close()
            raise _unreachable(path, error) from None
        except BaseException:
            self.close()
            raise

    def _welcome(self) -> Layout:
        data, fds, _, _ = socket.recv_fds(self._sock, LONGEST, SLOTS_MAX)
        try:
            if not data:
                raise WorkerError(LOST, "The lobby's worker closed the connection.", hint="Try again.")
            message = unpack(data, TO_PRODUCER)
            if isinstance(message, Bye):
                raise _refusal(message)
            if not isinstance(message, Welcome) or len(fds) != len(message.slots):
                raise WorkerError("push.nonsense", "The lobby's worker answered nonsense.")
            one = layout(message.format, message.width, message.height)
            if one.size != message.size or tuple(plane.stride for plane in one.planes) != message.strides:
                raise WorkerError("push.version", "The host lays pictures out otherwise: it is of another version.")
            for slot, fd in zip(message.slots, fds, strict=True):
                self._maps[slot] = mmap.mmap(fd, one.size)
                self._free.append(slot)
            return one
        finally:
            for fd in fds:
                os.close(fd)

    def take(self, deadline: float) -> int | None:
        """A slot to write into; None where none is free until then (monotonic seconds). It stays free until `send`.
        Raises WorkerError where the worker is gone, and what it says where it wants us to go."""
        while True:
            self._hear()
            if self.moved is not None:
                return None
            if self._free:
                return self._free[0]
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._poll(left)

    def _poll(self, seconds: float) -> None:
        poll = select.poll()  # not select(): descriptors may be above 1023
        poll.register(self._sock, select.POLLIN)
        poll.poll(max(1, int(seconds * 1000)))

    def view(self, slot: int) -> memoryview:
        """The memory of a slot. Release it before the next `take`."""
        return memoryview(self._maps[slot])

    def send(self, frame: Frame) -> None:
        """Hand a slot over. Raises WorkerError where the worker is gone."""
        try:
            self._sock.send(pack(frame))
        except OSError as error:
            raise WorkerError(LOST, "The lobby's worker is gone.", why=f"{error.strerror}.") from None
        self._free.remove(frame.slot)

    def _hear(self) -> None:
        while True:
            try:
                data = self._sock.recv(LONGEST + 1)
            except BlockingIOError:
                return
            except OSError as error:
                raise WorkerError(LOST, "The lobby's worker is gone.", why=f"{error.strerror}.") from None
            if not data:
                raise WorkerError(LOST, "The lobby's worker is gone.", hint="The next frame connects again.")
            self._take(unpack(data, TO_PRODUCER))

    def _take(self, message: Any) -> None:
        match message:
            case Free():
                self._back(message.slot)
            case Refused():
                self._back(message.slot)
                self.refused.append(message)
            case Retire():
                if (gone := self._maps.pop(message.slot, None)) is not None:
                    gone.close()
            case Moved():
                self.moved = message.path
            case Bye():
                raise _refusal(message)

    def _back(self, slot: int) -> None:
        if slot in self._maps and slot not in self._free:
            self._free.append(slot)

    def close(self) -> None:
        """Let go of everything; safe to call twice."""
        self._sock.close()
        self._free.clear()
        while self._maps:
            _, one = self._maps.popitem()
            with contextlib.suppress(BufferError):  # somebody still has a view of it: it goes with that
                one.close()


def _refusal(bye: Bye) -> SteadycastError:
    if bye.code in _LATER:
        kind: type[SteadycastError] = ConflictError if bye.code == "push.taken" else RefusedError
        return kind(bye.code, bye.what, hint=bye.hint)
    return CallerError(bye.code, bye.what, hint=bye.hint)


def _unreachable(path: str, error: OSError) -> SteadycastError:
    if isinstance(error, FileNotFoundError) and not Path(path).parent.exists():
        what = "The lobby's socket is not on this machine."
        return CallerError("push.elsewhere", what, why=f"There is no {path}.", hint="Push on the machine of the host.")
    if isinstance(error, PermissionError):
        hint = "Run the program as the user that runs the host."
        return CallerError("push.user", "This user may not push here.", why=f"{error.strerror}: {path}.", hint=hint)
    return WorkerError(LOST, "The lobby's worker is gone.", why=f"{error.strerror}.")
