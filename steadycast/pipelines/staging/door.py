"""The socket that producers come to: one message a datagram, never waiting for anybody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from steadycast.errors import CallerError
from steadycast.frames.messages import LONGEST, TO_HOST, Bye, Come, Frame, Heir, Legacy, Message, pack, unpack
from steadycast.pipelines.gst import log

VISITORS_MAX = 8  # connections at once: one producer, and some who are told that it is not their turn
FIRST_WORD_S = 5.0  # from connecting until it is said who comes
READS = 32  # datagrams read in one go; then the loop gets its turn
Heard = Callable[["Visitor", Come | Frame | Heir], None]


class Visitor:
    """One connection. `heard` may raise CallerError: then it is told why, and goes. `gone` is called once."""

    def __init__(self, sock: socket.socket, heard: Heard, gone: Callable[[Visitor], None]) -> None:
        self._sock = sock
        self._heard = heard
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self.pid, self.uid, _ = peer(sock)
        self.ended: str | None = None  # why
        self.left = False  # it went by itself, or died; else it was sent away and may live
        self._loop.add_reader(sock.fileno(), self.read)
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(FIRST_WORD_S, self.end, "it said nothing")

    def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Send; one that does not read what it is told goes."""
        if self.ended is not None:
            return
        try:
            socket.send_fds(self._sock, [pack(message)], list(fds))
        except BlockingIOError:
            self.end("it does not read what it is told")
        except OSError as error:
            self.end(f"it is gone ({error.strerror})")

    def bye(self, error: CallerError | Bye) -> None:
        """Tell it why, and end it."""
        said = error if isinstance(error, Bye) else Bye(error.code, _words(error), error.hint)
        self.send(said)
        self.end(said.what)

    def end(self, why: str) -> None:
        """Close the connection; safe to call twice."""
        if self.ended is not None:
            return
        self.ended = why
        self._spoken()
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        self._gone(self)

    def _leave(self, why: str) -> None:
        self.left = True
        self.end(why)

    def _spoken(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def read(self) -> None:
        """Hear what came."""
        for _ in range(READS):
            if self.ended is not None:
                return
            try:
                data = self._sock.recv(LONGEST + 1)  # descriptors beside it are closed by the kernel
            except BlockingIOError:
                return
            except OSError as error:
                self._leave(f"it is gone ({error.strerror})")
                return
            if not data:
                self._leave("it closed the connection")
                return
            try:
                message = unpack(data, TO_HOST)
                self._spoken()
                self._heard(self, message)
            except CallerError as error:
                self.bye(error)


class Door:
    """Listens at a path that only this user can reach. Raises OSError."""

    def __init__(self, path: Path, heard: Heard, gone: Callable[[Visitor], None]) -> None:
        self.path = path
        self._heard = heard
        self._told_gone = gone
        self._loop = asyncio.get_running_loop()
        self._visitors: set[Visitor] = set()
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            path.unlink(missing_ok=True)
            self._sock.bind(str(path))
            path.chmod(0o600)  # the folder is this user's alone as well
            self._sock.listen(VISITORS_MAX)
        except OSError:
            self._sock.close()
            raise
        self._loop.add_reader(self._sock.fileno(), self._accept)

    def close(self) -> None:
        """Everybody goes, and the path with them."""
        if self._sock.fileno() < 0:
            return
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        for visitor in tuple(self._visitors):
            visitor.end("the lobby's worker ends")
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except BlockingIOError:
            return
        except OSError as error:  # no descriptors left: whoever comes waits, and is seen again
            log.warning("push: nobody can be let in: %s", error)
            self._pause()
            return
        sock.setblocking(False)
        _, uid, _ = peer(sock)
        if uid not in (os.getuid(), 0) or len(self._visitors) >= VISITORS_MAX:
            log.warning("push: refused a connection of user %d; %d are there", uid, len(self._visitors))
            sock.close()
            return
        self._visitors.add(Visitor(sock, self._heard, self._gone))

    def _pause(self) -> None:
        """Look again after a moment, and not at once for ever."""
        number = self._sock.fileno()
        self._loop.remove_reader(number)

        def again() -> None:
            if self._sock.fileno() == number:
                self._loop.add_reader(number, self._accept)

        self._loop.call_later(0.5, again)

    def _gone(self, visitor: Visitor) -> None:
        self._visitors.discard(visitor)
        self._told_gone(visitor)


def peer(sock: socket.socket) -> tuple[int, int, int]:
    """Process, user and group at the other end."""
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid, gid


def _words(error: CallerError) -> str:
    return f"{error.what} {error.why}" if error.why else error.what


def inherit(path: str, mine: str, seconds: float) -> tuple[int, int] | None:
    """Tell the worker at `path` that we take over, and listen at `mine`: size and descriptor of its last picture, which
    is the caller's to close; None where it has none. Blocks at most so long. Raises OSError, CallerError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(seconds)
        sock.connect(path)
        sock.sendall(pack(Heir(mine)))
        data, fds, _, _ = socket.recv_fds(sock, LONGEST, 1)
        for fd in fds[1:]:
            os.close(fd)
        try:
            told: Legacy = unpack(data, (Legacy,))
        except CallerError:
            for fd in fds[:1]:
                os.close(fd)
            raise
        return (told.size, fds[0]) if fds else None
