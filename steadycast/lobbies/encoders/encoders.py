"""The encoders of this host: who may encode where. What lobbies ask, and what API, page and metrics show."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import structlog

from steadycast.errors import EncoderError, NotFoundError, RefusedError
from steadycast.leases.decisions import Denial, EncodeRequest
from steadycast.lobbies.device_views import (
    AdmissionView,
    DeviceView,
    EncodersStatistics,
    GpuStatus,
    LeaseView,
    PlaceView,
)
from steadycast.lobbies.encoders import words
from steadycast.lobbies.encoders.admissions import Admissions
from steadycast.lobbies.encoders.alone import Alone
from steadycast.lobbies.encoders.books import KEPT, Books
from steadycast.lobbies.encoders.desk import Desk
from steadycast.lobbies.encoders.inherited import Inherited
from steadycast.lobbies.encoders.notes import CAP, CPU, TRIAL, Notes
from steadycast.lobbies.encoders.outcomes import Outcomes
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.encoders.promoter import Promoter
from steadycast.lobbies.encoders.showing import Showing
from steadycast.lobbies.encoders.transfers import Transfers
from steadycast.lobbies.encoders.trier import Trier
from steadycast.lobbies.encoders.watch import Watch
from steadycast.lobbies.living import Living
from steadycast.lobbies.seats import Mover, Place, Seat
from steadycast.lobbies.views import Page
from steadycast.model import EncoderFault, EncoderOrder, EncoderReport
from steadycast.workers.lasting import lasting

log = structlog.get_logger("encoders")

RETRY_S = 5.0  # what is not known yet is known by then
FIRST_LOOK_S = 3.0  # more than the deadline of a look: a vendor that hangs then is known to hang


class Encoders:
    """Implements `seats.Encoding`. `start` first; `move_with` before anything can be promoted; `close` when nothing
    encodes any more. `parked` keeps those of which nobody watches anything."""

    def __init__(self, parts: EncodersParts) -> None:
        self._parts = parts
        self._hurry = asyncio.Event()
        self._notes = Notes(parts.store)
        self._books = Books(parts, self._notes)
        self._admissions = Admissions(parts)
        self._desk = Desk(parts, self._books, self._admissions)
        self._transfers = Transfers(parts, self._books, self._desk, self._admissions)
        self._outcomes = Outcomes(parts, self._books, self._hurry.set)
        self._trier = Trier(parts, self._books, self._outcomes, self._notes, self._serve)
        self._inherited = Inherited(parts, self._books, self._desk, self._outcomes, self._admissions)
        self._watch = Watch(parts, self._books, self._outcomes, self._trier.held, self._inherited.looked)
        self._promoter = Promoter(parts, self._books, self._desk, self._transfers, self._outcomes)
        self._showing = Showing(parts, self._books, self._outcomes)
        self._alone = Alone(self._books.roster)
        self.parked = self._books.parked
        self._looking: asyncio.Task[None] | None = None

    def move_with(self, mover: Mover) -> None:
        """Who moves a holder to another seat."""
        self._promoter.mover = mover

    def tell(self, living: Living | None) -> None:
        """Who hears of renditions that encode, and of their end."""
        self._outcomes.living = living

    async def start(self) -> None:
        """Load what is known; the devices are looked at beside, and then again and again."""
        self._books.caps.load((await self._notes.read(CAP)).get(KEPT))
        self._books.beliefs.load(await self._notes.read(TRIAL))
        self._books.cpu.load(await self._notes.read(CPU))
        self._looking = lasting(self._look_on(), "looks at devices")

    async def close(self) -> None:
        """Who waits is refused; what runs beside is ended, what was learned is written."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        await self._desk.close()
        await self.parked.settle()
        await self._promoter.close()
        await self._trier.close()
        await self._watch.close()
        await self._notes.flush()

    def usage(self, pid: int) -> tuple[int | None, int | None]:
        """See `Roster.usage`. From any thread."""
        return self._books.roster.usage(pid)

    async def look(self) -> None:
        """Look at the devices now, and do what follows from it."""
        await self._watch.look()
        self._serve()

    # --- seats

    async def take(self, request: EncodeRequest) -> Seat:
        """A seat; waits in the line where the policy says so. Raises RefusedError (HTTP 503), its code a `Denial`."""
        if not self._watch.first.is_set():
            try:
                async with asyncio.timeout(FIRST_LOOK_S):
                    await self._watch.first.wait()
            except TimeoutError:
                self._watch.take_what_is_there()
                if not self._books.roster.devices:
                    raise words.not_looked(FIRST_LOOK_S) from None
        await self._trier.needed(request)
        try:
            return await self._desk.take(request)
        except RefusedError as error:
            if error.code == Denial.NO_ENCODER and self._trier.may_find(request):
                error.retry_after = RETRY_S
            raise

    def beside(self, request: EncodeRequest) -> Seat | None:
        """A seat that is free now, for a holder that has one already. Never waits, and passes nobody in the line."""
        return self._transfers.beside(request)

    def renew(self, seat: Seat, request: EncodeRequest) -> Seat | None:
        """Give a seat back and get another on the same device in its place; nobody comes between."""
        renewed = self._transfers.renew(seat, request)
        self._freed(seat)
        self._forget_gone(seat.request.holder)
        return renewed

    def adopt(self, request: EncodeRequest, order: EncoderOrder, pid: int, report: EncoderReport | None) -> Seat:
        """A seat for what encodes already, in a process of a former control plane."""
        seat = self._inherited.adopt(request, order, pid, report)
        self._promoter.tick()
        return seat

    def opening(self, seat: Seat) -> AbstractAsyncContextManager[None]:
        """Around the opening of the encoder: some drivers bear only one at a time."""
        return self._alone.opening(seat.device)

    def opened(self, seat: Seat, pid: int, report: EncoderReport | None) -> None:
        """It encodes, in this process."""
        self._outcomes.opened(seat, pid, report)
        self._promoter.tick()

    def reported(self, seat: Seat, report: EncoderReport) -> None:
        """More is known of its encoder."""
        self._outcomes.reported(seat, report)

    def refused(self, seat: Seat, error: EncoderError) -> None:
        """It did not open. Learns from it and gives the seat back; ask again with the device in `refused`."""
        self._outcomes.refused(seat, error)
        self._free(seat)

    def failed(self, seat: Seat, fault: EncoderFault, what: str) -> None:
        """It had opened and failed later. Gives the seat back."""
        self._outcomes.failed(seat, fault, what)
        self._free(seat)
        if seat.hardware:
            self._promoter.failed(seat.request.holder)

    def give_back(self, seat: Seat) -> None:
        """It is closed, or its process is gone."""
        self._free(seat)
        self._forget_gone(seat.request.holder)

    def idle(self, seat: Seat, give_up: Callable[[], Awaitable[None]] | None) -> None:
        """Nobody watches it: `give_up` closes it when somebody else needs its place. None: it is watched again."""
        if give_up is None:
            self.parked.watched(seat)
        elif seat in self._books.lent:
            self.parked.add(seat, give_up)
            self._serve()

    def pass_to(self, seat: Seat, request: EncodeRequest) -> None:
        """It was idle, and another track of its lobby goes on with it."""
        donor = seat.request.holder
        self._books.pass_to(seat, request)
        self._forget_gone(donor)

    def unfit(self, seat: Seat) -> None:
        """It was idle, and could not be taken over."""
        self.parked.unfit(seat)

    def place(self, holder: str) -> Place | None:
        """Where a holder stands in the line."""
        return next((place for place in self._places() if place.holder == holder), None)

    # --- shown

    def places(self) -> tuple[PlaceView, ...]:
        """All who wait for hardware, the next one first."""
        return tuple(map(self._showing.place, self._places()))

    def devices(self) -> tuple[DeviceView, ...]:
        """All devices, hardware and software."""
        return self._showing.devices()

    def leases(self) -> tuple[LeaseView, ...]:
        """All that is lent."""
        return self._showing.leases()

    def admissions(self, after: int | None, limit: int) -> Page[AdmissionView]:
        """The last decisions, newest first; those before number `after`."""
        return self._admissions.page(after, limit)

    def gpu_status(self, active_lobbies: int, active_sessions: int) -> GpuStatus:
        """The answer of `gpu-status`."""
        return self._showing.status(active_lobbies, active_sessions, self.places(), self._watch.first.is_set())

    def statistics(self) -> EncodersStatistics:
        """Counters since the start."""
        return EncodersStatistics(
            devices=self.devices(),
            cpu=self._books.cpu.view(),
            waiting=len(self._desk.line),
            admissions_total=dict(self._admissions.totals),
            fallbacks_total=dict(self._admissions.fallbacks),
            promotions_total=dict(self._promoter.totals),
            encoder_failures_total=dict(self._outcomes.failures),
            copies_total=self._outcomes.copies,
            drift_total=dict(self._watch.drift),
            queue_wait_seconds_total=self._desk.line.waited_s,
            queue_left_total=dict(self._desk.line.left),
        )

    async def retry(self, device: str) -> DeviceView:
        """Reset a device's breaker, learn its session cap anew, try all that it may encode. Raises NotFoundError."""
        known = self._books.roster.get(device)
        if known is None:
            hint = "GET /api/v1/devices lists those there are."
            raise NotFoundError("device.unknown", "No such device.", hint=hint)
        now = self._parts.clock()
        self._books.breaker(device).reset(now)
        self._books.caps.forget(self._books.pool(known.device.pool))
        self._books.keep_caps()
        self._books.beliefs.try_again(device, now, everything=True)
        self._outcomes.breaker_said(device, "reset by a person")
        self._serve()
        return next(view for view in self.devices() if view.id == device)

    def refuse_device(self, device: str, why: str) -> bool:
        """Give no new work to a device until a trial works there, or a person resets it; False where it is no device of
        ours, or refuses already."""
        if self._books.roster.get(device) is None:
            return False
        if not self._books.breaker(device).failed(self._parts.clock(), why, fatal=True):
            return False
        self._outcomes.breaker_said(device, why)
        return True

    # --- inside

    def _free(self, seat: Seat) -> None:
        self._desk.free(seat)
        self._freed(seat)

    def _freed(self, seat: Seat) -> None:
        self._outcomes.gone(seat)
        self._promoter.tick()
        self._trier.tick()

    def _forget_gone(self, holder: str) -> None:
        """What is remembered of somebody who encodes nowhere any more."""
        lent = self._books.lent
        if not lent.holds(holder, hardware=True) and not lent.holds(holder, hardware=False):
            self._promoter.forget(holder)

    def _serve(self) -> None:
        """The line first, then those in software, then what is to be found out."""
        self._desk.serve()
        self._promoter.tick()
        self._trier.tick()

    def _places(self) -> tuple[Place, ...]:
        return (*self._desk.line.places(), *self._promoter.places())

    async def _look_on(self) -> None:
        """Looks for as long as the host runs, and at once when something was refused."""
        while True:
            self._hurry.clear()
            try:
                await self.look()
            except Exception:
                log.critical("a look at the devices failed; the next one follows", exc_info=True)
            try:
                async with asyncio.timeout(self._parts.settings.encoders.look_s):
                    await self._hurry.wait()
            except TimeoutError:
                continue
