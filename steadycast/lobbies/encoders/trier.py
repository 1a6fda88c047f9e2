"""Finds out what works: trials of encoders, canaries of breakers, the measurement of the CPU. One at a time, since each
takes a session or the CPU; what somebody waits for comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from steadycast.errors import SteadycastError
from steadycast.leases.caps import Verdict, verdict
from steadycast.leases.decisions import EncodeRequest
from steadycast.leases.ledger import Reservation
from steadycast.leases.reconcile import Held
from steadycast.lobbies.encoders.beliefs import Belief, BeliefState
from steadycast.lobbies.encoders.books import Books
from steadycast.lobbies.encoders.notes import CPU, Notes
from steadycast.lobbies.encoders.outcomes import Outcomes
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.model import EncoderFault, EncoderOrder, HardwareUse
from steadycast.workers.trials import Calibration, TrialResult

log = structlog.get_logger("encoders")

HOLDER = "trial"
# How long somebody waits for a trial: for one without which nothing encodes, and for one without which software does.
NEEDED_S, WISHED_S = 10.0, 4.0
NO_SESSION_S = 15.0  # until a trial that found no free session is tried again
CALM_S = 30.0  # nothing encodes for so long before the CPU is measured
MEASUREMENTS = 3  # that fail; then the assumed figure stays until the next start
# What a trial's answer of the first order says nothing about the next one for.
_NEXT = frozenset({EncoderFault.MISSING, EncoderFault.UNSUPPORTED, EncoderFault.SETTINGS, EncoderFault.VERSION})

Job = Callable[[], Awaitable[None]]


class Trier:
    """`freed` is called when a session that a trial had is free again, or when more works than before."""

    def __init__(
        self, parts: EncodersParts, books: Books, outcomes: Outcomes, notes: Notes, freed: Callable[[], None]
    ) -> None:
        self._parts = parts
        self._books = books
        self._outcomes = outcomes
        self._notes = notes
        self._freed = freed
        self._wanted: dict[tuple[str, str], Belief] = {}  # somebody waits for these
        self._working: asyncio.Task[None] | None = None
        self._measuring: asyncio.Task[Calibration] | None = None
        self._held: Held | None = None
        self._changed = asyncio.Event()
        self._calm_since = parts.clock()
        self._measurements = 0
        self._closed = False

    def held(self) -> tuple[Held, ...]:
        """The encoder that a trial may have open."""
        return () if self._held is None else (self._held,)

    def tick(self) -> None:
        """Begin what is due."""
        if self._books.lent:
            self._calm_since = self._parts.clock()
        if not self._closed and (self._working is None or self._working.done()) and self._next() is not None:
            self._working = asyncio.get_running_loop().create_task(self._work(), name="trials")

    async def needed(self, request: EncodeRequest) -> None:
        """Wait until what this request may use was tried, for a bounded time."""
        self._calm_since = self._parts.clock()
        if self._measuring is not None:
            self._measuring.cancel()
        works = (belief.works and not belief.hardware for belief in self._books.beliefs.of_codec(request.codec))
        wished = request.hardware is not HardwareUse.REQUIRE and any(works)
        if wished and request.refused:
            return  # a picture stands still since that device refused or failed: it is promoted later
        if not self._open_questions(request, new=wished):
            return
        try:
            async with asyncio.timeout(WISHED_S if wished else NEEDED_S):
                while questions := self._open_questions(request, new=wished):
                    self._wanted.update({(belief.device, belief.codec.value): belief for belief in questions})
                    self._changed.clear()
                    self.tick()
                    await self._changed.wait()
        except TimeoutError:
            log.info("not tried in time", holder=request.holder, codec=request.codec.value)

    def may_find(self, request: EncodeRequest) -> bool:
        """Whether more may work for this request soon."""
        return bool(self._open_questions(request))

    async def close(self) -> None:
        """End what runs."""
        self._closed = True
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait({self._working})

    # --- which

    def _open_questions(self, request: EncodeRequest, *, new: bool = False) -> list[Belief]:
        """What is not known yet and can be found out now; only what never failed where `new`."""
        now = self._parts.clock()
        found = []
        for belief in self._books.beliefs.of_codec(request.codec):
            unwanted = HardwareUse.FORBID if belief.hardware else HardwareUse.REQUIRE
            if (
                belief.works
                or (new and belief.tries)
                or request.hardware is unwanted
                or request.device not in (None, belief.device)
            ):
                continue
            if belief.state is BeliefState.TRYING or (belief.again is not None and belief.again <= now):
                found += [belief] if self._can_be_tried(belief) else []
        return found

    def _can_be_tried(self, belief: Belief) -> bool:
        known = self._books.roster.get(belief.device)
        return known is not None and self._books.quarantined(known, self._parts.clock()) is None

    def _next(self) -> Job | None:
        now = self._parts.clock()
        due = (*self._wanted.values(), *self._books.beliefs.due(now, hardware=True))
        for belief in due:
            current = self._books.beliefs.get(belief.device, belief.codec)
            is_due = current is belief and belief.again is not None and belief.again <= now
            if is_due and self._can_be_tried(belief):
                return partial(self._try, belief)
        for known in self._books.roster:
            device = known.device.id
            beliefs = sorted(self._books.beliefs.of(device), key=lambda belief: not belief.works)
            room = self._books.sessions(known.device.pool).free
            if beliefs and known.quarantined is None and self._books.breaker(device).may_try(now) and room != 0:
                return partial(self._canary, beliefs[0])
        calm = not self._books.lent and now - self._calm_since >= CALM_S
        if calm and self._books.cpu.wanted and self._measurements < MEASUREMENTS:
            return self._measure
        return None

    async def _work(self) -> None:
        while not self._closed and (job := self._next()) is not None:
            await job()
            self._wanted = {
                key: belief for key, belief in self._wanted.items() if belief.state is not BeliefState.TRYING
                and belief.again is not None and not belief.works
            }  # fmt: skip
            self._changed.set()
            self._freed()

    # --- how

    async def _try(self, belief: Belief) -> None:
        now = self._parts.clock()
        reservation = self._reserve(belief)
        if belief.hardware and reservation is None:
            self._books.beliefs.put_off(belief, now + NO_SESSION_S, "it waits for a free session to be tried")
            return
        self._books.beliefs.began(belief)
        answered = False
        try:
            for order in belief.orders:
                answer = await self._trial(order)
                if answer.ok or answer.fault not in _NEXT:
                    break
            answered = True
        finally:
            self._give_back(reservation)
            if not answered:
                self._books.beliefs.put_off(belief, now, "its trial was ended")
        self._judge(belief, order, answer)

    def _judge(self, belief: Belief, order: EncoderOrder, answer: TrialResult) -> None:
        now, fault = self._parts.clock(), answer.fault
        why = answer.why or answer.what or "no reason is known"
        if belief.hardware and fault is not None and self._is_full(belief, fault):
            self._outcomes.full(belief.device)
            self._books.beliefs.put_off(belief, now + NO_SESSION_S, f"its trial found no free session: {why}")
            return
        self._books.beliefs.ended(belief, order, answer, now, self._parts.wall())
        log.info("encoder tried", device=belief.device, codec=belief.codec.value, ok=answer.ok, why=answer.what)
        if belief.hardware and fault in (EncoderFault.HUNG, EncoderFault.DRIVER_LOST):
            self._outcomes.broke(belief.device, fault, why)

    async def _canary(self, belief: Belief) -> None:
        breaker = self._books.breaker(belief.device)
        reservation = self._reserve(belief)
        if belief.hardware and reservation is None:
            return  # the sessions went in this moment; it is asked again when one is free
        breaker.trying(self._parts.clock())
        self._outcomes.breaker_said(belief.device, "a trial decides")
        try:
            answer = await self._trial(belief.order or belief.orders[0])
        finally:
            self._give_back(reservation)
        # A driver that says that its sessions are used up is well.
        worked = answer.ok or (answer.fault is not None and self._is_full(belief, answer.fault))
        why = None if worked else answer.why or answer.what
        breaker.tried(self._parts.clock(), worked, why)
        self._outcomes.breaker_said(belief.device, "a trial worked" if worked else why)
        if worked:
            self._books.beliefs.try_again(belief.device, self._parts.clock())

    async def _measure(self) -> None:
        task = self._measuring = asyncio.get_running_loop().create_task(self._parts.trials.calibrate())
        try:
            await asyncio.wait({task})
        finally:
            self._measuring = None
            task.cancel()
        self._calm_since = self._parts.clock()
        if task.cancelled():
            return  # somebody came: later
        self._measurements += 1
        if (error := task.exception()) is not None:
            log.warning("the CPU was not measured", why=str(error))
            return
        found = task.result()
        self._notes.put(CPU, self._books.cpu.mark, self._books.cpu.measured(found))
        log.info("CPU measured", pixels_per_s=round(found.pixels_per_s), cpus=found.cpus)

    async def _trial(self, order: EncoderOrder) -> TrialResult:
        try:
            return await self._parts.trials.trial(order)
        except SteadycastError as error:
            return TrialResult(False, EncoderFault.FAILED, error.what, error.why)

    def _is_full(self, belief: Belief, fault: EncoderFault) -> bool:
        known = self._books.roster.get(belief.device)
        if known is None:
            return False
        pool = known.device.pool
        return verdict(fault, self._books.maybe_open(pool), self._books.cap(pool).limit, None, 0) is Verdict.CAP

    def _reserve(self, belief: Belief) -> Reservation | None:
        known = self._books.roster.get(belief.device)
        if not belief.hardware or known is None:
            return None
        self._books.refresh_sessions()
        wants = {f"sessions:{known.device.pool}": 1.0}
        reservation = self._books.ledger.reserve(f"{HOLDER}/{belief.device}", wants, self._parts.clock())
        if reservation is not None:
            self._held = Held(HOLDER, belief.device, None, None)
        return reservation

    def _give_back(self, reservation: Reservation | None) -> None:
        self._held = None
        if reservation is not None:
            self._books.ledger.give_back(reservation)
