"""One worker as the control plane holds it: what it says, how it does, and its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog

from steadycast.errors import DeadlineError, SteadycastError, WorkerError
from steadycast.lifecycle import WORKER as STATES
from steadycast.lifecycle import WorkerState, check_move
from steadycast.model import Measures, Receipt
from steadycast.patience import wait_patiently
from steadycast.tracking import families, proc
from steadycast.tracking.families import Identity
from steadycast.workers import records
from steadycast.workers.channel import Channel, Descriptors, OnMessage, OnRequest
from steadycast.workers.evidence import Hang, before_kill
from steadycast.workers.intake import Intake
from steadycast.workers.ladder import Ladder
from steadycast.workers.launch import Launched
from steadycast.workers.messages import End, Heartbeat, Hello
from steadycast.workers.messages.common import PROTOCOL
from steadycast.workers.pulse import Pulse
from steadycast.workers.recorded import Recorded
from steadycast.workers.remains import descriptors_of, how_it_ended, read_tail, unknown_end
from steadycast.workers.surroundings import Surroundings

log = structlog.get_logger("workers")

EXIT_SEEN_S = 0.5  # a connection that ends is mostly a process that ends: wait so long before it is pushed
DIED = "died"
SILENT = "silent"
ADOPTED = "adopted"
NOT_ADOPTED = "not adopted"


class Worker(Recorded):
    """A child process. Nothing ends without a receipt, whenever and however it ends."""

    def __init__(
        self, launched: Launched, surroundings: Surroundings, state: WorkerState = WorkerState.STARTING
    ) -> None:
        self._record = launched.record
        self._around = surroundings
        self._process = launched.process
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[Receipt] = self._loop.create_future()
        self._hello: asyncio.Future[None] = self._loop.create_future()
        self._ending: asyncio.Task[None] | None = None
        self.ending_for: str | None = None  # once its end began
        self._known: set[Identity] = set()
        self._intake = Intake(f"worker {self.id}")
        self._pulse = Pulse(surroundings.settings.stall_s)
        self.left = False  # to the next control plane
        self.state = state
        self._since = self._loop.time()  # in this state
        self.statistics: dict[str, Any] = {}  # of the last heartbeat
        self.allocated: dict[str, int] = {}  # by malloc and Python, of the last heartbeat
        self.last_heartbeat: float | None = None  # Unix seconds, by the worker's clock
        self.last_sign = self._loop.time()  # seconds of the loop's clock
        self.measures: Measures | None = None  # the last that were taken
        self._measuring: set[asyncio.Task[None]] = set()
        self.log_tail = ""  # last lines of its log, read when it ended
        self._descriptors = descriptors_of(launched)
        self._channel = Channel(launched.sock, f"worker {self.id}", on_message=self._heard, on_request=self._asked)
        self._channel.closed.add_done_callback(self._disconnected)
        self._process.exited.add_done_callback(lambda _: self.begin_end(DIED))
        self._channel.start()

    @property
    def gone(self) -> asyncio.Future[Receipt]:
        """Resolves with the receipt. Each caller has its own future: cancelling it does no harm to others."""
        return asyncio.shield(self._gone)

    @property
    def receipt(self) -> Receipt | None:
        """None while it is not gone."""
        return self._gone.result() if self._gone.done() else None

    @property
    def ready(self) -> bool:
        """It said hello (and what it holds, where it was adopted) and is not ending."""
        return self.state is WorkerState.READY

    def post(self, message: Any, fds: Sequence[int] = ()) -> None:
        """As `Channel.post`."""
        self._channel.post(message, fds)

    async def request(self, message: Any, fds: Sequence[int] = (), *, deadline: float | None = None) -> dict[str, Any]:
        """As `Channel.request`; `deadline` is `request_s` of the settings where it is None."""
        seconds = self._around.settings.request_s if deadline is None else deadline
        return await self._channel.request(message, fds, deadline=seconds)

    async def end(self, cause: str, hang: Hang | None = None) -> Receipt:
        """End it by the ladder. Whoever asks, and however often: one end, the first cause, one receipt.

        `hang`: something in it hangs, and it is asked what before. Raises WorkerError where it was left.
        """
        self.begin_end(cause, hang=hang)
        if self.left:
            raise WorkerError("worker.left", f"worker {self.id} was left to the next control plane")
        return await self.gone

    def kill(self) -> None:
        """SIGKILL now, whichever rung its end is on; the receipt follows as ever."""
        self.begin_end("killed")
        self._process.send(signal.SIGKILL)

    def take(self, lobby: str | None, on_message: OnMessage, on_request: OnRequest | None) -> None:
        """Give the worker to who uses it, and all that it said before. As `assign`."""
        self.assign(lobby)
        self._intake.take(on_message, on_request)

    def pick(self, kind: type[Any]) -> Descriptors | None:
        """See `Intake.pick`; for whoever asks a worker something before it is taken."""
        return self._intake.pick(kind)

    def assign(self, lobby: str | None) -> None:
        """Write down whose it is. Where its record cannot be written it is ended: WorkerError."""
        if lobby != self._record.lobby:
            self._record = replace(self._record, lobby=lobby)
            try:
                records.write(records.folder(self._around.runtime) / f"{self.id}.json", self._record)
            except OSError as error:
                self.begin_end("its record cannot be written")
                raise WorkerError("worker.record", f"worker {self.id} cannot be written down", why=str(error)) from None

    def adopted(self) -> None:
        """It said what it holds and may be used."""
        if self.state is WorkerState.ADOPTED:
            self._move(WorkerState.READY, ADOPTED)
            self.measure()

    def leave(self) -> None:
        """Let go of it, alive, for the next control plane; no receipt follows. One that is ending is not left."""
        if self._ending is not None:
            return
        self.left = True
        self._hello.cancel()  # no change where it was said
        self._channel.close("left")
        self._process.close()
        self._intake.close()

    async def says_hello(self, seconds: float) -> bool:
        """Whether its Hello comes within so many seconds; at once False where it ends. Cancelling it does no harm."""
        await wait_patiently({self._hello}, seconds)
        return self.greeted

    async def said_hello(self) -> None:
        """Wait for its Hello within `start_s`. Raises DeadlineError or WorkerError once it is gone."""
        seconds = self._around.settings.start_s
        try:
            if await self.says_hello(seconds):
                return
            in_time = self._hello.cancelled()
            receipt = await (self.end(DIED) if in_time else self.end("did not start in time", Hang.DEAF))
        except asyncio.CancelledError:
            self.begin_end("start cancelled")
            raise
        what = f"a {self.kind.value} worker "
        if in_time:
            raise WorkerError(
                "worker.died", what + f"ended at its start ({how_it_ended(receipt)})", why=self.log_tail or None
            )
        raise DeadlineError("worker.start", what + f"said no hello within {seconds:g} s", why=self.log_tail or None)

    @property
    def greeted(self) -> bool:
        """It said hello, ending or not."""
        return self._hello.done() and not self._hello.cancelled()

    def note_family(self) -> None:
        """Remember its descendants now, in case one later sheds all by which it could be found."""
        self._known.update(families.near(self.pid))
        if len(self._known) > 1000:  # a command that forks all the time: keep those that still live
            self._known = {one for one in self._known if proc.is_same(one.pid, one.start_time)}

    def measure(self) -> None:
        """Measure it now, beside: so that something is known of one that dies soon. `measures` follows."""
        task = self._loop.create_task(self._measure(), name=f"measures of {self.id}")
        self._measuring.add(task)
        task.add_done_callback(self._measuring.discard)

    async def _measure(self) -> None:
        self.measured(await self._around.gauge.measure(self.pid))

    def measured(self, found: Measures | None) -> None:
        """Keep what was measured of it. Objects, which only it can count, stay where it was not asked for them."""
        if found is not None and found.descriptors is not None:  # else it ended meanwhile
            objects = None if self.measures is None else self.measures.objects
            self.measures = found if found.objects is not None else replace(found, objects=objects)

    # --- from the worker

    def _heard(self, message: Any, fds: Descriptors) -> None:
        self.last_sign = self._loop.time()
        if isinstance(message, Heartbeat):
            self.last_heartbeat, self.statistics, self.allocated = message.at, message.statistics, message.allocated
            if (still := self._pulse.stands_still(message.statistics, self._loop.time())) and self.ready:
                self.begin_end(still, hang=Hang.DEAF)
        elif isinstance(message, Hello):
            self._greeted(message)
        elif not self._intake.heard(message, fds):
            self.begin_end("it said more than could be kept until somebody takes it")

    async def _asked(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        self.last_sign = self._loop.time()
        return await self._intake.asked(message, fds)

    def _greeted(self, hello: Hello) -> None:
        r = self._record
        found = self.state is WorkerState.ADOPTED
        if hello.protocol != PROTOCOL:
            fault = f"it speaks another protocol ({hello.protocol}, not {PROTOCOL})"
        elif (hello.kind, hello.pid, hello.start_time, hello.token) != (r.kind.value, r.pid, r.start_time, r.token):
            fault = "its hello was not that of the process that was started"
        else:
            if not self._hello.done():
                self._hello.set_result(None)
            if self.state is WorkerState.STARTING:
                self._move(WorkerState.READY)
                self.measure()
            return
        self.begin_end(f"{NOT_ADOPTED}: {fault}" if found else fault)

    def _disconnected(self, closed: asyncio.Future[str]) -> None:
        # The kernel closes the sockets of a process that was killed before its pidfd says so.
        one = proc.stat(self.pid)
        died = one is None or one.exiting
        self.begin_end(DIED if died else f"connection lost: {closed.result()}", patience=EXIT_SEEN_S)

    # --- the end

    def _move(self, new: WorkerState, cause: str | None = None) -> None:
        check_move(STATES, self.state, new)
        now = self._loop.time()
        seconds, self.state, self._since = now - self._since, new, now
        self._around.on_state(self, new, cause, seconds)

    def begin_end(self, cause: str, patience: float = 0, hang: Hang | None = None) -> None:
        """As `end`, without waiting. Where `patience` is given it has so many seconds to end by itself before."""
        if self._ending is None and not self.left:
            self._hello.cancel()  # no change where it was said
            self.ending_for = cause
            self._ending = self._loop.create_task(self._end(cause, patience, hang), name=f"end of {self.id}")
            self._move(WorkerState.ENDING, cause)

    async def _end(self, cause: str, patience: float, hang: Hang | None) -> None:
        around = self._around
        ladder = Ladder(around.runtime, self._record, self._process, around.settings, around.looks, around.gauge)
        ladder.known, ladder.before = self._known, self.measures
        try:
            if patience and await self._process.wait(patience):
                cause = DIED
            kept = await before_kill(around.evidence, ladder, cause, hang, self.statistics)
            await ladder.climb_down(lambda: hang is not Hang.DEAF and self._ask_to_end(cause))
            self._let_go()
            receipt = replace(await ladder.look(cause, self._descriptors), evidence=kept)
        except Exception as error:  # the edge: whoever waits for `gone` must hear of it
            log.exception("end failed", worker=self.id)
            self._let_go()
            receipt = unknown_end(ladder, cause, repr(error))
        self._tell(receipt)

    def _ask_to_end(self, cause: str) -> bool:
        if not self.greeted or self._channel.closed.done():
            return False
        try:
            self._channel.post(End(cause))
        except SteadycastError:
            return False
        return True

    def _let_go(self) -> None:
        self._channel.close("ended")
        self._process.close()
        self.log_tail = read_tail(records.folder(self._around.runtime) / f"{self.id}.log")

    def _tell(self, receipt: Receipt) -> None:
        if not self._gone.done():
            self._gone.set_result(receipt)
        self._move(WorkerState.GONE if receipt.clean else WorkerState.CLEANUP_INCOMPLETE, receipt.cause)
        self._intake.close()
        self._around.on_gone(self, receipt)
        told = log.bind(worker=self.id, pid=self.pid, lobby=self.lobby, how=how_it_ended(receipt), clean=receipt.clean)
        if receipt.cause == DIED:
            told.warning("worker died", said=self.log_tail[-1000:])
        else:
            told.info("worker ended", cause=receipt.cause)
        if not receipt.clean:
            told.error("cleanup incomplete", checks=[check for check in receipt.checks if check.residue != ()])
