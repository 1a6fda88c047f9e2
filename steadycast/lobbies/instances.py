"""Instances: renditions that are open in lobby workers, each on its seat. Every seat that comes here is ended once.

A seat whose process may still live is not free: where an instance cannot be closed, its worker is ended, and the seat
given back when that is certain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from steadycast.errors import DeadlineError, EncoderError, SteadycastError, WorkerError
from steadycast.leases.decisions import EncodeRequest
from steadycast.lobbies import loss
from steadycast.lobbies.adapting import Tuned
from steadycast.lobbies.legacy import Legacy
from steadycast.lobbies.seats import Encoding, Seat
from steadycast.lobbies.stage import Stage
from steadycast.model import EncoderFault, EncoderReport, Receipt, Rendition, TrackInfo
from steadycast.tracking import proc
from steadycast.workers.messages.stock import InstanceStock

log = structlog.get_logger("lobby")

T = TypeVar("T")
LOOK_S = 5.0  # between looks at a process that nothing ends


@dataclass(eq=False)
class Instance:
    """A track as a lobby worker makes it. `name` is what the worker calls it; `seat` is None where nothing is encoded.

    `dead`: it failed by itself. `parked`: it is fed nothing, and must be taken over before it is read. `tuned`: its
    bitrate, where another one was set, or tried, while it played.
    """

    name: str
    stage: Stage
    info: TrackInfo
    seat: Seat | None = None
    dead: bool = False
    parked: bool = False
    tuned: Tuned | None = None


class Instances:
    """Opens and closes the instances of one lobby."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._held: dict[Seat, asyncio.Event] = {}  # set when the seat is ended
        self._open: dict[Seat, Instance] = {}
        self._early: dict[str, EncoderError | None] = {}  # that are being opened, and what they failed of meanwhile
        self._tasks: set[asyncio.Task[Any]] = set()
        self._owed: set[asyncio.Future[Receipt]] = set()  # ends of workers that seats wait for

    async def open(self, stage: Stage, rendition: Rendition, seat: Seat, name: str) -> Instance:
        """Open a rendition. Raises SteadycastError, the seat is ended then; so it is where the caller goes away.

        A worker that does not answer, or dies of it, is lost with all that it holds.
        """
        self._held[seat] = asyncio.Event()
        opening = self._spawn(self._try(stage, rendition, seat, name))  # never cut off: it has deadlines of its own
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._unwanted)
            raise

    def adopt(self, stage: Stage, found: InstanceStock, request: EncodeRequest) -> Instance:
        """Go on with one that a former control plane opened."""
        assert found.order is not None
        seat = self._encoding.adopt(request, found.order, stage.worker.pid, found.report)
        self._held[seat] = asyncio.Event()
        instance = self._open[seat] = Instance(found.instance, stage, found.track, seat, parked=found.parked)
        return instance

    def close(self, instance: Instance) -> asyncio.Task[None]:
        """Close an instance that was opened here and give its seat back."""
        return self._spawn(self._close(instance))

    def failed(self, name: str, code: str, what: str) -> Instance | None:
        """An instance failed by itself; None where no such one is open."""
        if name in self._early:
            self._early[name] = EncoderError(loss.fault_of(code), what)
            return None
        instance = next((one for one in self._open.values() if one.name == name), None)
        if instance is not None and instance.seat is not None:
            del self._open[instance.seat]
            instance.dead = True
            _judge(instance.stage, instance.seat, loss.fault_of(code), what)
            self._failing(instance.seat, loss.fault_of(code), what)()
        return instance

    def hangs(self, instance: Instance, error: SteadycastError) -> None:
        """An instance hangs, so that its worker must end."""
        if instance.seat is not None and self._open.pop(instance.seat, None) is not None:
            self._lose(instance.stage, error, self._failing(instance.seat, EncoderFault.HUNG, error.what))

    def reported(self, name: str, report: EncoderReport) -> None:
        """More is known of an instance's encoder."""
        for seat, instance in self._open.items():
            if instance.name == name:
                self._encoding.reported(seat, report)

    def useless(self, instance: Instance, what: str) -> asyncio.Task[None]:
        """Close one that makes nothing that anybody could use."""
        if instance.seat is not None and self._open.pop(instance.seat, None) is not None:
            instance.dead = True
            seat = instance.seat
            return self._spawn(
                self._close_first(instance.stage, instance.name, self._failing(seat, EncoderFault.FAILED, what))
            )
        return self.close(instance)

    def pass_on(self, instance: Instance, request: EncodeRequest) -> Legacy:
        """Close an instance, and lend its seat again for this request."""
        legacy, seat = Legacy(self._encoding), instance.seat
        if seat is None or self._open.pop(seat, None) is None:
            legacy.come(None)
            return legacy
        renewing = self._ending(seat, lambda: legacy.come(self._encoding.renew(seat, request)))

        def kept() -> Callable[[], None]:
            legacy.come(None)
            return self._giving_back(seat)

        self._spawn(self._close_first(instance.stage, instance.name, renewing, kept))
        return legacy

    def stage_lost(self, stage: Stage) -> None:
        """The seats of a worker's instances are free when the worker is gone."""
        for seat, instance in tuple(self._open.items()):
            if instance.stage is stage:
                del self._open[seat]
                self._at_end(stage, self._giving_back(seat))

    def has(self, instance: Instance) -> bool:
        """Whether it is open, and its worker not given up."""
        return instance.seat is None or self._open.get(instance.seat) is instance

    async def until_ended(self, seat: Seat) -> None:
        """Wait until a seat that came here is ended: its instance is closed, or its worker gone."""
        held = self._held.get(seat)
        if held is not None:
            await held.wait()

    async def settle(self, seconds: float) -> None:
        """Wait for so long at most until what is being opened or closed now is done."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=seconds)

    async def settled(self) -> None:
        """Wait until all that is being opened or closed is done, as far as workers live."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def ended(self) -> None:
        """The same, and until the workers are gone that seats wait for; they must be ending."""
        await self.settled()
        while self._owed:
            await asyncio.wait(self._owed)
            await asyncio.sleep(0)  # what is done at their end follows in the next turn

    # --- inside

    async def _try(self, stage: Stage, rendition: Rendition, seat: Seat, name: str) -> Instance:
        self._early[name] = None
        try:
            async with self._encoding.opening(seat):
                info, report = await stage.open(rendition, name, seat.order)
            if (failure := self._early[name]) is not None:  # its last words came with its first
                raise failure
        except EncoderError as error:
            _judge(stage, seat, loss.fault_of(error.code), error.what)
            if error.code == EncoderFault.HUNG:
                self._lose(stage, error, self._refusing(seat, error))
            else:
                self._refusing(seat, error)()
            raise
        except WorkerError as error:
            raise self._broken(stage, seat, name, error) from error
        except SteadycastError:
            self._giving_back(seat)()
            raise
        except BaseException:
            self._at_end(stage, self._giving_back(seat))
            raise
        finally:
            del self._early[name]
        return self._opened(Instance(name, stage, info, seat), seat, report)

    def _opened(self, instance: Instance, seat: Seat, report: EncoderReport | None) -> Instance:
        pid = instance.stage.pid
        if pid is None or not instance.stage.works:
            self._at_end(instance.stage, self._giving_back(seat))
            raise WorkerError("lobby.not_streaming", "The lobby lost its worker just now.", retry_after=1)
        self._encoding.opened(seat, pid, report)
        self._open[seat] = instance
        return instance

    def _broken(self, stage: Stage, seat: Seat, name: str, error: WorkerError) -> WorkerError:
        """The worker does not answer any more, died of it, or broke its word: what is said of it."""
        hung = isinstance(error, DeadlineError)
        if stage.works and not hung:  # it may have opened all the same
            self._spawn(self._close_first(stage, name, self._giving_back(seat)))
            return error
        if not hung and not seat.hardware:  # drivers end processes, x264 does not
            self._lose(stage, error, self._giving_back(seat))
            return error
        fault = EncoderFault.HUNG if hung else EncoderFault.FAILED
        refusal = EncoderError(fault, f"{seat.device_name}: {error.what}", why=error.why)
        self._lose(stage, error, self._refusing(seat, refusal))
        return refusal

    async def _close(self, instance: Instance) -> None:
        seat = instance.seat
        if seat is None or self._open.pop(seat, None) is None:
            return
        await self._close_first(instance.stage, instance.name, self._giving_back(seat))

    async def _close_first(
        self, stage: Stage, name: str, then: Callable[[], None], kept: Callable[[], Callable[[], None]] | None = None
    ) -> None:
        """`then` when it is closed, or its worker gone. Where it takes its worker's end, `kept` hears that at once, and
        says what is done then instead: that end may be long in coming."""
        if not stage.works:
            self._at_end(stage, then if kept is None else kept())
            return
        try:
            await stage.close(name)
        except SteadycastError as error:
            log.warning("an instance cannot be closed", instance=name, code=error.code, what=error.what)
            self._lose(stage, error, then if kept is None else kept())
        else:
            then()

    def _lose(self, stage: Stage, error: SteadycastError, then: Callable[[], None]) -> None:
        """The worker must end; `then` is done when it has."""
        stage.lose(loss.of_order(error))
        self._at_end(stage, then)

    def _at_end(self, stage: Stage, then: Callable[[], None]) -> None:
        worker, gone = stage.worker, stage.worker.gone

        def look() -> None:
            if proc.is_same(worker.pid, worker.start_time):  # not even SIGKILL ended it: it holds what it holds
                asyncio.get_running_loop().call_later(LOOK_S, look)
            else:
                then()

        def ended(_: asyncio.Future[Receipt]) -> None:
            self._owed.discard(gone)
            look()

        self._owed.add(gone)
        gone.add_done_callback(ended)

    def _giving_back(self, seat: Seat) -> Callable[[], None]:
        return self._ending(seat, lambda: self._encoding.give_back(seat))

    def _refusing(self, seat: Seat, error: EncoderError) -> Callable[[], None]:
        return self._ending(seat, lambda: self._encoding.refused(seat, error))

    def _failing(self, seat: Seat, fault: EncoderFault, what: str) -> Callable[[], None]:
        return self._ending(seat, lambda: self._encoding.failed(seat, fault, what))

    def _ending(self, seat: Seat, end: Callable[[], None]) -> Callable[[], None]:
        def do() -> None:
            try:
                end()
            finally:
                self._held.pop(seat).set()

        return do

    def _unwanted(self, opening: asyncio.Task[Instance]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self.close(opening.result())

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _judge(stage: Stage, seat: Seat, fault: EncoderFault, what: str) -> None:
    """A lost driver stays lost for a process that had it open: CUDA answers with the same error to all that follows."""
    if fault is EncoderFault.DRIVER_LOST and seat.hardware:
        stage.lost_devices[seat.device] = what
