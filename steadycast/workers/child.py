"""What all child processes have in common: their way in, the control socket, heartbeats, and their end.

The control plane made the listening control socket and hands it over as a descriptor, so that connecting never races
with starting, and a later control plane can connect to the same path. stdin is /dev/null; stdout and stderr are a log
file that this process itself keeps short: a file, not a pipe, because it must outlive its reader.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import json
import logging
import os
import resource
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from steadycast.errors import SteadycastError, WorkerError
from steadycast.patience import patience
from steadycast.tracking.proc import start_time
from steadycast.workers.allocator import allocated, settle
from steadycast.workers.channel import Channel, Descriptors
from steadycast.workers.codec import from_plain, to_plain
from steadycast.workers.messages import End, Heartbeat, Hello, Settle, TakeStock
from steadycast.workers.messages.common import PROTOCOL
from steadycast.workers.messages.stock import Stock

log = logging.getLogger(__name__)

PARAMETERS = "STEADYCAST_CHILD"  # JSON of ChildParameters
WORKER = "STEADYCAST_WORKER"  # id of the worker; descendants inherit it, which is how they are found
HOME = "STEADYCAST_HOME"  # runtime folder of the host that it belongs to; inherited as well
BACKLOG = 16  # connections that wait at a control socket: control planes that gave up, mostly
LOG_BYTES = 1_048_576  # the log file is cut when it is longer
EXIT_SLOW = 75  # the body did not close within its deadline


@dataclass(frozen=True, slots=True)
class ChildParameters:
    """What the control plane wants of a child. Times in seconds; `listener` is the descriptor of the control socket."""

    id: str
    kind: str
    token: str
    runtime: str
    listener: int
    heartbeat_s: float
    orphan_timeout_s: float
    end_s: float


class Body(Protocol):
    """What a kind of child does. All is called on the event loop; descriptors that are not taken are closed."""

    def on_message(self, message: Any, fds: Descriptors) -> None: ...

    async def on_request(self, message: Any, fds: Descriptors) -> dict[str, Any]: ...

    def statistics(self) -> dict[str, Any]: ...

    def stock(self, after: int) -> tuple[Stock, int | None]:
        """What it holds, as `TakeStock` promises: the page that begins at `after`, and where the next one does."""
        ...

    async def close(self) -> None: ...


class Parent:
    """The control plane as its child sees it; there may be none for a while."""

    def __init__(self, parameters: ChildParameters) -> None:
        self.id = parameters.id
        self.folder = Path(parameters.runtime) / "workers"  # files that start with `<id>.` go with this worker
        self.end_s = parameters.end_s  # what the body's `close()` has
        self.channel: Channel | None = None
        self._there = asyncio.Event()
        self.ending: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def met(self, channel: Channel | None) -> None:
        """From now on this is the control plane; None: there is none."""
        self.channel = channel
        if channel is None:
            self._there.clear()
        else:
            self._there.set()

    async def reached(self, deadline: float) -> None:
        """Wait so many seconds until there is a control plane; WorkerError where none comes."""
        try:
            async with asyncio.timeout(deadline):
                await self._there.wait()
        except TimeoutError:
            raise WorkerError("worker.alone", f"no control plane came within {deadline:g} s") from None

    def post(self, message: Any, fds: Sequence[int] = ()) -> bool:
        """Send; False where nobody is there to hear or the message did not go out. `fds` are closed in any case."""
        if self.channel is None:
            Descriptors(fds).close()
            return False
        try:
            self.channel.post(message, fds)
        except SteadycastError as error:
            log.warning("%s is lost: %s (%s)", type(message).__name__, error.what, error.why)
            return False
        return True

    async def request(self, message: Any, fds: Sequence[int] = (), *, deadline: float) -> dict[str, Any]:
        """As `Channel.request`; WorkerError where there is no control plane."""
        if self.channel is None:
            Descriptors(fds).close()
            raise WorkerError("worker.alone", "there is no control plane to ask")
        return await self.channel.request(message, fds, deadline=deadline)

    def end(self, reason: str) -> None:
        """End this process cleanly, as if the control plane had said so."""
        if not self.ending.done():
            self.ending.set_result(reason)


class _Child:
    """The life of a child: listen, be heard, end."""

    def __init__(self, parameters: ChildParameters, make_body: Callable[[Parent], Body]) -> None:
        self._parameters = parameters
        self._make_body = make_body
        self._loop = asyncio.get_running_loop()
        self._parent = Parent(parameters)
        self._listener = socket.socket(fileno=parameters.listener)
        self._listener.listen(BACKLOG)  # again, so that SO_PEERCRED of who connects names this process
        self._listener.setblocking(False)

    async def run(self) -> None:
        self._loop.add_signal_handler(signal.SIGTERM, self._parent.end, "SIGTERM")
        self._body = self._make_body(self._parent)
        serving = (self._loop.create_task(self._serve()), self._loop.create_task(self._beat()))
        for task in serving:
            task.add_done_callback(lambda _: self._parent.end("the child's own loop ended"))
        await self._parent.ending
        for task in serving:
            if task.done() and not task.cancelled() and (error := task.exception()):
                log.error("the child's own loop failed", exc_info=error)
        log.info("ending: %s", self._parent.ending.result())
        _exit_within(self._parameters.end_s)
        await self._body.close()
        for task in serving:
            task.cancel()
        if self._parent.channel is not None:
            self._parent.channel.close("ended")
        self._listener.close()

    async def _serve(self) -> None:
        """One control plane at a time: who connects meanwhile waits in the backlog until the one before is gone."""
        while True:
            try:
                async with patience(self._parameters.orphan_timeout_s):  # of a machine that was stopped, too
                    sock = await self._accept()
            except TimeoutError:
                self._parent.end(f"no control plane for {self._parameters.orphan_timeout_s:g} s")
                return
            channel = Channel(sock, "the control plane", on_message=self._heard, on_request=self._asked)
            self._parent.met(channel)
            channel.start()
            p = self._parameters
            self._parent.post(Hello(p.kind, os.getpid(), start_time(os.getpid()) or 0, p.token, PROTOCOL))
            self._post_heartbeat()
            reason = await channel.closed
            self._parent.met(None)
            log.warning("the control plane is gone: %s", reason)

    async def _accept(self) -> socket.socket:
        while True:
            sock, _ = await self._loop.sock_accept(self._listener)
            _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid in (os.getuid(), 0):
                return sock
            log.warning("refused a connection of user %d", uid)
            sock.close()

    def _heard(self, message: Any, fds: Descriptors) -> None:
        if isinstance(message, End):
            self._parent.end(message.reason)
        else:
            self._body.on_message(message, fds)

    async def _asked(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        if isinstance(message, Settle):
            return settle()
        if not isinstance(message, TakeStock):
            return await self._body.on_request(message, fds)
        stock, more = self._body.stock(message.after)
        return {"stock": to_plain(stock), "more": more}

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._parameters.heartbeat_s)
            _cut_log()
            self._post_heartbeat()

    def _post_heartbeat(self) -> None:
        self._parent.post(Heartbeat(time.time(), self._body.statistics(), allocated()))


def run_child(
    kind: str,
    make_body: Callable[[Parent], Body],
    *,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> NoReturn:
    """Be a child of this kind until told to end or alone for too long; then the process exits. Called by `__main__`.

    `make_body` is called on the event loop. The body's `close()` has `end_s`; after that the process is left at once.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the control plane
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.raiseExceptions = False  # a full disk under the log file is no reason to fail
    parameters = _read_parameters(kind)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_live(parameters, make_body))
    sys.exit(0)


async def _live(parameters: ChildParameters, make_body: Callable[[Parent], Body]) -> None:
    await _Child(parameters, make_body).run()


def _read_parameters(kind: str) -> ChildParameters:
    text = os.environ.pop(PARAMETERS, None)
    if text is None:
        sys.exit(f"steadycast: a {kind} worker is started by `steadycast serve`, not by hand")
    parameters = from_plain(ChildParameters, json.loads(text))
    os.set_inheritable(parameters.listener, False)
    return parameters


def _exit_within(seconds: float) -> None:
    """Leave the process after so many seconds, whatever the event loop and other threads do."""

    def leave() -> None:
        log.error("not closed within %g s", seconds)
        faulthandler.dump_traceback()  # into the log: what it hangs in
        os._exit(EXIT_SLOW)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


def _cut_log() -> None:
    with contextlib.suppress(OSError):
        if os.fstat(2).st_size > LOG_BYTES:
            os.ftruncate(2, 0)  # opened with O_APPEND by the control plane, so the next line starts at 0
            log.warning("the log had more than %d bytes and was cut", LOG_BYTES)
