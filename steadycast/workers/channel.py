"""A channel between the control plane and one worker: messages as datagrams of a connected SOCK_SEQPACKET Unix socket.

The same class serves both ends, on any asyncio loop. A datagram is JSON `{"type", "seq", "body"}`; a message with a
`seq` is a request and is answered with `Done` or `Failed` of that `seq`. Descriptors travel beside it (SCM_RIGHTS).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from steadycast.errors import DeadlineError, SteadycastError, WorkerError
from steadycast.patience import patience
from steadycast.workers.descriptors import Descriptors
from steadycast.workers.envelope import MAX_BYTES, Envelope, EnvelopeError, failed_from, pack, raise_failed, unpack
from steadycast.workers.messages import Done, Failed

__all__ = ["Channel", "ChannelStatistics", "Descriptors", "OnMessage", "OnRequest"]

log = logging.getLogger(__name__)

MAX_FDS = 8  # descriptors beside one message
MAX_QUEUED = 1024  # messages that wait for a peer that does not read
MAX_QUEUED_BYTES = 8 * 1024 * 1024
MAX_PENDING = 1024  # requests of ours without an answer
STUCK = "worker.stuck"  # code of a peer that does not read
MAX_HANDLED = 256  # requests of the peer worked on at once
READS_PER_WAKE = 32  # then the loop gets its turn
# What the kernel gives without privileges (net.core.wmem_max); it doubles this, and a datagram must fit into that.
SEND_BUFFER_BYTES = 212_992


OnMessage = Callable[[Any, Descriptors], None]
OnRequest = Callable[[Any, Descriptors], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """Counters of one channel; `queued` messages wait to be sent, `pending` requests wait for an answer."""

    sent: int
    received: int
    queued: int
    pending: int
    handled: int


class Channel:
    """One end of a channel. It owns the socket. `start()` begins to read; `closed` resolves with the reason it ended.

    A handler of a request runs to its end when the peer is lost (its answer is dropped) and is cancelled by `close()`.
    """

    def __init__(
        self, sock: socket.socket, name: str, *, on_message: OnMessage, on_request: OnRequest | None = None
    ) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.name = name
        self._sock = sock
        self._on_message = on_message
        self._on_request = on_request
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self._buffer = bytearray(MAX_BYTES + 1)
        self._queue: deque[tuple[bytes, Descriptors]] = deque()
        self._queued_bytes = 0
        self._pending: dict[int, asyncio.Future[Done | Failed]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._sent = 0
        self._received = 0

    def start(self) -> None:
        """Read from now on; handlers may be called before this returns to the loop's next turn, never during it."""
        self._loop.add_reader(self._sock.fileno(), self._readable)

    def statistics(self) -> ChannelStatistics:
        return ChannelStatistics(
            self._sent, self._received, len(self._queue), len(self._pending), handled=len(self._tasks)
        )

    # --- sending

    def post(self, message: Any, fds: Sequence[int] = ()) -> None:
        """Send a message without an answer. `fds` belong to this call and are closed by it, also where it fails.

        Raises WorkerError where the peer is gone or does not read, or the message is too large.
        """
        self._send(message, None, fds)

    async def request(self, message: Any, fds: Sequence[int] = (), *, deadline: float) -> dict[str, Any]:
        """Send a request and wait up to `deadline` seconds for its answer; returns the body of `Done`. The time in
        which this process was stopped does not count, and an answer that is here counts however late it is looked at.

        Raises the error that `Failed` names, DeadlineError, or WorkerError where the peer is gone. `fds` as in `post`.
        """
        name = type(message).__name__
        if len(self._pending) >= MAX_PENDING:
            Descriptors(fds).close()
            raise WorkerError("worker.busy", f"{self.name} has {MAX_PENDING} requests without an answer")
        seq = next(self._numbers)
        answer: asyncio.Future[Done | Failed] = self._loop.create_future()
        self._pending[seq] = answer
        try:
            self._send(message, seq, fds)
            async with patience(deadline):
                reply = await answer
        except TimeoutError:
            if not answer.done() or answer.cancelled():
                what = f"{self.name} did not answer {name} within {deadline:g} s"
                raise DeadlineError("worker.deadline", what) from None
            reply = answer.result()
        finally:
            self._pending.pop(seq, None)
            answer.cancel()
        if isinstance(reply, Failed):
            raise_failed(reply)
        return reply.body

    def _send(self, message: Any, seq: int | None, fds: Sequence[int]) -> None:
        held = Descriptors(fds)
        try:
            if self.closed.done():
                raise WorkerError("worker.gone", f"{self.name} is gone", why=self.closed.result())
            if len(held) > MAX_FDS:
                raise WorkerError("worker.message", f"at most {MAX_FDS} descriptors travel with one message")
            try:
                data = pack(message, seq)
            except EnvelopeError as error:
                raise WorkerError(
                    "worker.message", f"a message for {self.name} cannot be sent", why=str(error)
                ) from None
            if len(self._queue) >= MAX_QUEUED or self._queued_bytes + len(data) > MAX_QUEUED_BYTES:
                raise WorkerError(STUCK, f"{self.name} does not read its messages")
        except SteadycastError:
            held.close()
            raise
        self._queue.append((data, held))
        self._queued_bytes += len(data)
        if len(self._queue) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._queue:
            data, held = self._queue[0]
            try:
                self._sock.sendmsg([data], held.ancillary())
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self._sock.fileno(), self._flush)
                return
            except OSError as error:
                self._end(f"cannot send: {error.strerror}")
                return
            self._queue.popleft()
            self._queued_bytes -= len(data)
            held.close()
            self._sent += 1
        self._loop.remove_writer(self._sock.fileno())

    # --- receiving

    def _readable(self) -> None:
        for _ in range(READS_PER_WAKE):
            if self.closed.done():
                return
            try:
                size, ancillary, flags, _ = self._sock.recvmsg_into(
                    [self._buffer], socket.CMSG_SPACE(MAX_FDS * 4), socket.MSG_CMSG_CLOEXEC
                )
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._end(f"cannot receive: {error.strerror}")
                return
            fds = Descriptors.received(ancillary)
            if size == 0:
                fds.close()
                self._end("the other end closed the connection")
                return
            self._take(bytes(memoryview(self._buffer)[:size]), fds, flags)

    def _take(self, data: bytes, fds: Descriptors, flags: int) -> None:
        try:
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                raise EnvelopeError("longer than any message may be, or with too many descriptors")
            envelope = unpack(data)
        except EnvelopeError as error:
            fds.close()
            log.error("%s sent a malformed message: %s", self.name, error)
            self._end(f"malformed message: {error}")
            return
        self._received += 1
        if isinstance(envelope.message, Done | Failed):
            fds.close()
            self._answered(envelope)
        elif envelope.seq is None:
            self._posted(envelope.message, fds)
        else:
            self._asked(envelope.message, envelope.seq, fds)

    def _answered(self, envelope: Envelope) -> None:
        answer = self._pending.get(envelope.seq) if envelope.seq is not None else None
        if answer is not None and not answer.done():  # None: the deadline of the request has passed
            answer.set_result(envelope.message)

    def _posted(self, message: Any, fds: Descriptors) -> None:
        try:
            self._on_message(message, fds)
        except SteadycastError as error:
            log.warning("%s: %s failed: %s (%s)", self.name, type(message).__name__, error.what, error.why)
        except Exception:  # the edge of the room: one bad message must not end the channel
            log.exception("%s: %s failed", self.name, type(message).__name__)
        finally:
            fds.close()

    def _asked(self, message: Any, seq: int, fds: Descriptors) -> None:
        if self._on_request is None or len(self._tasks) >= MAX_HANDLED:
            fds.close()
            what = "takes no requests" if self._on_request is None else "has too many requests in work"
            self._reply(Failed("WorkerError", "worker.busy", f"the receiver of {type(message).__name__} {what}"), seq)
            return
        task = self._loop.create_task(self._handle(self._on_request, message, seq, fds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, on_request: OnRequest, message: Any, seq: int, fds: Descriptors) -> None:
        reply: Done | Failed
        try:
            reply = Done(await on_request(message, fds))
        except SteadycastError as error:
            reply = failed_from(error)
        except Exception as error:  # the edge of the room: the asker must hear of it
            log.exception("%s: %s failed", self.name, type(message).__name__)
            reply = Failed("WorkerError", "internal", f"{type(message).__name__} failed inside", why=repr(error)[:500])
        finally:
            fds.close()
        self._reply(reply, seq)

    def _reply(self, reply: Done | Failed, seq: int) -> None:
        try:
            self._send(reply, seq, ())
        except SteadycastError as error:
            log.warning("%s: an answer is lost: %s (%s)", self.name, error.what, error.why)
            if not self.closed.done() and isinstance(reply, Done):
                self._reply(Failed("WorkerError", error.code, error.what, why=error.why), seq)

    # --- the end

    def close(self, reason: str = "closed") -> None:
        """End the channel and cancel the handlers of requests. Safe to call twice."""
        self._end(reason)
        for task in tuple(self._tasks):
            task.cancel()

    def _end(self, reason: str) -> None:
        if self.closed.done():
            return
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        self._buffer = bytearray()  # the channel itself may wait for the garbage collector, with many others
        self.closed.set_result(reason)
        while self._queue:
            self._queue.popleft()[1].close()
        self._queued_bytes = 0
        for answer in self._pending.values():
            if not answer.done():
                answer.set_result(Failed("WorkerError", "worker.gone", f"{self.name} is gone", why=reason))
