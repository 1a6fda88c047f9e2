"""The desk: decides with admission, reserves in the same breath, keeps the line and serves it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import structlog

from steadycast.leases import cost
from steadycast.leases.admission import admit
from steadycast.leases.decisions import Denial, Deny, EncodeRequest, Fallback, Grant, Queue
from steadycast.lobbies.encoders import parked, words
from steadycast.lobbies.encoders.admissions import Admissions
from steadycast.lobbies.encoders.books import Ahead, Books
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.encoders.waiters import Waiter, Waiters, lacks_cpu, needs_cpu, takes_software
from steadycast.lobbies.seats import Seat
from steadycast.model import Codec, EncoderOrder, HardwareUse

log = structlog.get_logger("encoders")

GRANTS = 4  # decisions in a row that the ledger does not bear out


class Desk:
    """`take` gives seats; `free` takes them back and serves the line."""

    def __init__(self, parts: EncodersParts, books: Books, admissions: Admissions) -> None:
        self._parts = parts
        self._books = books
        self._said = admissions
        self._numbers = itertools.count(1)
        settings = parts.settings.encoders
        self.line = Waiters(settings.queue_length, settings.queue_s)
        self._closing: set[asyncio.Task[None]] = set()
        self._closes_software = False
        self._soon: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.closed = False

    async def take(self, request: EncodeRequest) -> Seat:
        """See `Encoding.take`."""
        if self.closed:
            raise words.closing()
        decision = self._decide(request, self.ahead(request))
        while lacks_cpu(decision) and await self._closed_software():
            decision = self._decide(request, self.ahead(request))
        if isinstance(decision, Seat):
            return decision
        if isinstance(decision, Deny):
            self._said.add(request, decision)
            raise words.refusal(decision)
        if isinstance(decision, Queue):
            return await self._wait(self._join(request, decision))
        waiter = self._join(request, Queue(0, Denial.ENCODER_SESSIONS, "An idle encoder is closed first."))
        self._promise(waiter, decision)
        return await self._wait(waiter)

    def number(self) -> int:
        """One that no other seat has."""
        return next(self._numbers)

    async def vacate(self, pool: str) -> None:
        """Close an idle encoder of a pool, if there is one, for somebody in software. The line comes first."""
        idle = self._books.parked.pick({known.device.id for known in self._books.roster.of_pool(pool)})
        if idle is not None:
            await parked.close(idle)

    def free(self, seat: Seat) -> None:
        """It is given back; the line is served. Raises LeaseError where it is not lent (any more)."""
        self._books.take_back(seat)
        self.serve()

    def serve(self) -> None:
        """Everybody whose turn it is gets a seat; who waited too long is refused."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self._expire()
        self._books.refresh_sessions()
        unserved, pools_of = Ahead(), cache(self._pools)
        for waiter in self.line:
            pools = pools_of(waiter.request.codec, waiter.request.device)
            contested = waiter.promised or any(unserved.of(pool) for pool in pools)
            hopeless = contested and not self._has_room(pools, unserved) and not self._software_would_do(waiter)
            if hopeless or not self._serve(waiter, unserved):
                unserved.add(pools)
        self._make_room_in_software()
        self._wind()

    def waiting_for(self, pool: str) -> int:
        """How many in the line could use a session of this pool."""
        pools_of, requests = cache(self._pools), (waiter.request for waiter in self.line)
        return sum(pool in pools_of(request.codec, request.device) for request in requests)

    def ahead(self, request: EncodeRequest) -> Ahead:
        """Those in the line before this request."""
        return self._counted(() if request.hardware is HardwareUse.FORBID else self.line.before(request))

    def everybody(self) -> Ahead:
        """All in the line."""
        return self._counted(self.line)

    async def close(self) -> None:
        """Everybody in the line is refused; nothing is given any more."""
        self.closed = True
        for waiter in tuple(self.line):
            self._leave(waiter, "left")
            waiter.seat.set_exception(words.closing())
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        for task in self._closing:
            task.cancel()
        if self._closing:
            await asyncio.wait(self._closing, timeout=parked.GIVE_UP_S)

    # --- deciding

    def _serve(self, waiter: Waiter, ahead: Ahead) -> bool:
        """Whether somebody's time in the line is over."""
        decision = self._decide(replace(waiter.request, refused=frozenset()), ahead, waiter)
        if isinstance(decision, Seat):
            self._leave(waiter, "served")
            waiter.seat.set_result(decision)
        elif isinstance(decision, Deny):
            self._said.add(waiter.request, decision)
            self._leave(waiter, "left")
            waiter.seat.set_exception(words.refusal(decision))
        elif isinstance(decision, Queue):
            waiter.why = decision
        else:
            self._promise(waiter, decision)
        return waiter.seat.done()

    def _decide(
        self, request: EncodeRequest, ahead: Ahead, waiter: Waiter | None = None
    ) -> Seat | Grant | Queue | Deny:
        """A seat that is reserved; a grant where an idle encoder must be closed first; or a place or a refusal."""
        for _ in range(GRANTS):
            give_up = waiter is None or not waiter.promised
            line_full = waiter is None and self.line.full
            snapshot = self._books.snapshot(request, ahead, line_full, give_up=give_up)
            decision = admit(request, snapshot, self._parts.clock())
            if isinstance(decision, Queue | Deny):
                return decision
            if isinstance(decision, Grant) and decision.gives_up:
                return decision
            seat = self.reserve(request, decision)
            if seat is not None:
                self._said.add(request, decision, seat.device)
                return seat
            log.error("admission and ledger disagree", holder=request.holder, device=decision.device)
            request = replace(request, refused=request.refused | {decision.device})
        why = "What admission found free was not free."
        return Deny(Denial.DRIVER_REFUSED, why, "Ask again; tell the makers if it stays so.", 5)

    def reserve(self, request: EncodeRequest, decision: Grant | Fallback) -> Seat | None:
        """Reserved with no wait since the decision, so nobody can come between."""
        known = self._books.roster.get(decision.device)
        belief = self._books.beliefs.get(decision.device, request.codec)
        if known is None or belief is None or belief.order is None:
            return None
        now = self._parts.clock()
        reservation = self._books.ledger.reserve(request.holder, decision.takes, now)
        if reservation is None:
            return None
        code, why = (decision.code, decision.why) if isinstance(decision, Fallback) else (None, None)
        order: EncoderOrder = belief.order
        seat = Seat(
            self.number(), request, decision.device, known.device.name, known.device.hardware, order, now,
            code, why, decision.trail, no_hardware=isinstance(decision, Fallback) and decision.no_hardware,
        )  # fmt: skip
        self._books.lend(seat, reservation)
        return seat

    # --- the line

    def _join(self, request: EncodeRequest, decision: Queue) -> Waiter:
        waiter = self.line.join(request, decision, self._parts.clock())
        if waiter is None:
            denial = Deny(Denial.QUEUE_FULL, "The line is full.", "Ask again when fewer wait.", 10)
            self._said.add(request, denial)
            raise words.refusal(denial)
        self._said.add(request, decision)
        self._said.queued(request, decision, self.line.position(waiter))
        self._wind()
        return waiter

    async def _wait(self, waiter: Waiter) -> Seat:
        try:
            return await asyncio.shield(waiter.seat)
        except asyncio.CancelledError:
            if waiter in self.line:
                self._leave(waiter, "left")
                self._serve_soon()
            elif waiter.seat.done() and not waiter.seat.cancelled() and waiter.seat.exception() is None:
                self._books.take_back(waiter.seat.result())  # its turn came in the moment it went
                self._serve_soon()
            raise

    def _serve_soon(self) -> None:
        """Once for all who leave at the same time."""
        if self._soon is None and not self.closed:
            self._soon = asyncio.get_running_loop().call_soon(self.serve)

    def _leave(self, waiter: Waiter, how: str) -> None:
        self.line.leave(waiter, how, self._parts.clock())

    def _expire(self) -> None:
        now = self._parts.clock()
        for waiter in self.line.late(now):
            position, waited = self.line.position(waiter), now - waiter.entry.since
            self._leave(waiter, "timeout")
            error = words.timed_out(position, waited, waiter.why.why)
            self._said.refused(waiter.request, error)
            waiter.seat.set_exception(error)

    def _wind(self) -> None:
        """Look at the line again when the next deadline is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.line.next_deadline()
        if at is not None and not self.closed:
            self._timer = asyncio.get_running_loop().call_later(max(0.05, at - self._parts.clock()), self.serve)

    def _pools(self, codec: Codec, device: str | None) -> frozenset[str]:
        usable = self._books.usable(codec, device, self._parts.clock())
        return frozenset(known.device.pool for known in usable)

    def _counted(self, waiters: Iterable[Waiter]) -> Ahead:
        ahead, pools_of = Ahead(), cache(self._pools)
        for waiter in waiters:
            ahead.add(pools_of(waiter.request.codec, waiter.request.device))
        return ahead

    # --- idle encoders

    async def _closed_software(self) -> bool:
        """Whether an idle software encoder was asked to close."""
        idle = self._books.parked.pick({known.device.id for known in self._books.roster if not known.device.hardware})
        if idle is not None:
            await parked.close(idle)
        return idle is not None

    def _software_would_do(self, waiter: Waiter) -> bool:
        """Whether somebody who need not wait for hardware may find room on the CPU."""
        request = waiter.request
        needs = cost.cpu_pixels(request.codec, request.pixels_per_s, self._books.cpu.factors)
        return takes_software(request) and needs <= self._books.cpu.free

    def _make_room_in_software(self) -> None:
        """Close an idle software encoder where somebody in the line would take its place."""
        if self.closed or self._closes_software or not any(map(needs_cpu, self.line)):
            return
        if not self._idle_software():
            return
        self._closes_software = True
        task = asyncio.get_running_loop().create_task(self._close_software())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close_software(self) -> None:
        try:
            await self._closed_software()
        finally:
            self._closes_software = False
            self.serve()

    def _idle_software(self) -> bool:
        idle = self._books.parked.by_device()
        return any(idle[known.device.id] for known in self._books.roster if not known.device.hardware)

    def _has_room(self, pools: frozenset[str], ahead: Ahead) -> bool:
        frees = ((self._books.sessions(pool).free, ahead.of(pool)) for pool in pools)
        return not pools or any(free is None or free - before >= 1 for free, before in frees)

    def _promise(self, waiter: Waiter, grant: Grant) -> None:
        """Close an idle encoder for somebody."""
        idle = None if waiter.promised else self._books.parked.pick(grant.gives_up)
        if idle is not None:
            waiter.promised = True
            task = asyncio.get_running_loop().create_task(self._keep_promise(idle, waiter))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _keep_promise(self, idle: tuple[Seat, parked.GiveUp], waiter: Waiter) -> None:
        try:
            await parked.close(idle)
        finally:
            waiter.promised = False
            self.serve()
