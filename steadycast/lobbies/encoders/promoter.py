"""Moves software renditions that prefer hardware to it when a session is free."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from steadycast.errors import SteadycastError
from steadycast.leases.promotion import Candidate, Promotion, Promotions, order
from steadycast.lobbies.encoders.books import Books
from steadycast.lobbies.encoders.desk import Desk
from steadycast.lobbies.encoders.outcomes import Outcomes
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.encoders.transfers import Transfers
from steadycast.lobbies.seats import Mover, Place, Seat
from steadycast.model import Codec, HardwareUse

log = structlog.get_logger("encoders")

# From the new encoder's opening to the last viewer that is moved to it; the opening has its own deadline within.
MOVE_S = 30.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    seat: Seat
    candidate: Candidate


class Promoter:
    """`mover` moves a holder; without one nothing is promoted."""

    def __init__(
        self, parts: EncodersParts, books: Books, desk: Desk, transfers: Transfers, outcomes: Outcomes
    ) -> None:
        self._parts = parts
        self._books = books
        self._desk = desk
        self._transfers = transfers
        self._outcomes = outcomes
        self._promotions = Promotions(parts.settings.encoders.promote_after_s)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.mover: Mover | None = None
        self.totals: Counter[str] = Counter(done=0, failed=0)
        self._closed = False

    def tick(self) -> None:
        """Begin what is due."""
        if self.mover is None or self._closed:
            return
        now, waiting = self._parts.clock(), self._waiting()
        self._books.refresh_sessions()
        free = self._free()
        in_line = {pool: self._desk.waiting_for(pool) for pool in free} if len(self._desk.line) else {}
        for promotion in self._promotions.choose((one.candidate for one in waiting), free, in_line, now):
            one = next(one for one in waiting if one.candidate.holder == promotion.holder)
            self._begin(promotion, one.seat)
        self._wind([one.candidate.holder for one in waiting], now)

    def failed(self, holder: str) -> None:
        """It fell out of hardware, and rests before it is moved there again."""
        self._promotions.failed(holder, self._parts.clock())

    def forget(self, holder: str) -> None:
        """It has no seat any more."""
        self._promotions.forget(holder)

    def places(self) -> Iterator[Place]:
        """Those who encode in software meanwhile, behind the line."""
        waiting = {one.candidate.holder: one.seat for one in self._waiting()}
        candidates = order(one.candidate for one in self._waiting())
        for position, candidate in enumerate(candidates, len(self._desk.line) + 1):
            seat = waiting[candidate.holder]
            assert seat.code is not None
            yield Place(candidate.holder, position, candidate.since, seat.code, seat.why or "", promotion=True)

    async def close(self) -> None:
        """End what moves."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # --- inside

    def _free(self) -> dict[str, int | None]:
        """Sessions that nobody uses by pool; also those of idle encoders, which can be closed."""
        pools = {known.device.id: known.device.pool for known in self._books.roster if known.device.hardware}
        idle = Counter[str]()
        for device, number in self._books.parked.by_device().items():
            idle[pools.get(device, "")] += number
        frees = {pool: self._books.sessions(pool).free for pool in pools.values()}
        return {pool: None if free is None else int(free) + idle[pool] for pool, free in frees.items()}

    def _waiting(self) -> list[_Waiting]:
        """Who encodes in software though hardware would do: the same holder once."""
        now, found = self._parts.clock(), dict[str, _Waiting]()
        usable: dict[tuple[Codec, str | None], list[tuple[str, str]]] = {}
        for seat in self._books.lent.instead():
            request = seat.request
            wants = request.hardware is HardwareUse.PREFER and seat.opened is not None
            if not wants or self._books.lent.holds(request.holder, hardware=True) or seat in self._books.parked:
                continue
            key = request.codec, request.device
            if key not in usable:
                devices = [known.device for known in self._books.usable(*key, now)]
                usable[key] = [(device.id, device.pool) for device in devices]
            fit = [pool for device, pool in usable[key] if not self._outcomes.is_unfit(request.holder, device)]
            if fit:
                candidate = Candidate(request.holder, request.since, request.priority, frozenset(fit))
                found[request.holder] = _Waiting(seat, candidate)
        return list(found.values())

    def _begin(self, promotion: Promotion, old: Seat) -> None:
        self._promotions.begun(promotion)
        task = asyncio.get_running_loop().create_task(self._promote(promotion, old), name=f"promote {old.number}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _promote(self, promotion: Promotion, old: Seat) -> None:
        worked: bool | None = False
        try:
            if self._books.sessions(promotion.pool).free == 0:
                await self._desk.vacate(promotion.pool)
            seat = (
                self._transfers.promote(old.request) if old in self._books.lent else None
            )  # None: its memory is short, say
            if seat is not None:
                worked = await self._moved(promotion.holder, seat)
        finally:
            self._promotions.ended(promotion, worked, self._parts.clock())
        self.tick()

    async def _moved(self, holder: str, seat: Seat) -> bool | None:
        """Whether it works there; None where it could not be moved just now and nothing was opened."""
        assert self.mover is not None
        worked, why = False, None
        try:
            async with asyncio.timeout(MOVE_S):
                worked = await self.mover(holder, seat)
        except TimeoutError:
            why = f"it was not moved within {MOVE_S:g} s"
        except SteadycastError as error:
            why = error.what
        finally:
            untried = not worked and why is None and seat.opened is None and seat.fault is None
            if not untried:
                self.totals["done" if worked else "failed"] += 1
            if not worked and seat in self._books.lent:
                self._desk.free(seat)
        if not worked:
            log.info("not promoted", holder=holder, device=seat.device, why=why, untried=untried)
            return None if untried else False
        self._transfers.promoted(seat)
        return True

    def _wind(self, holders: list[str], now: float) -> None:
        """Look again when time alone changes the answer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._promotions.next_at(holders, now)
        if at is not None and holders:
            self._timer = asyncio.get_running_loop().call_later(max(0.05, at - now), self.tick)
