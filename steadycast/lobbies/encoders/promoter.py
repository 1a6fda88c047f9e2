"""Moves software renditions that prefer hardware to it when a session is free."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from steadycast.errors import SteadycastError
from steadycast.leases.promotion import Candidate, Promotion, Promotions, order
from steadycast.lobbies.encoders.admissions import lobby_of
from steadycast.lobbies.encoders.books import Books
from steadycast.lobbies.encoders.desk import Desk
from steadycast.lobbies.encoders.outcomes import Outcomes
from steadycast.lobbies.encoders.parts import EncodersParts
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

    def __init__(self, parts: EncodersParts, books: Books, desk: Desk, outcomes: Outcomes) -> None:
        self._parts = parts
        self._books = books
        self._desk = desk
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
        free = {pool: self._free(pool) for pool in self._pools()}
        in_line = {pool: self._desk.waiting_for(pool) for pool in free} if len(self._desk) else {}
        for promotion in self._promotions.choose((one.candidate for one in waiting), free, in_line, now):
            one = next(one for one in waiting if one.candidate.holder == promotion.holder)
            self._begin(promotion, one.seat, now)
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
        for position, candidate in enumerate(candidates, len(self._desk) + 1):
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

    def _pools(self) -> frozenset[str]:
        return frozenset(known.device.pool for known in self._books.roster if known.device.hardware)

    def _free(self, pool: str) -> int | None:
        free = self._books.sessions(pool).free
        return None if free is None else int(free)

    def _waiting(self) -> list[_Waiting]:
        """Who encodes in software though hardware would do: the same holder once."""
        now, found = self._parts.clock(), dict[str, _Waiting]()
        usable: dict[tuple[Codec, str | None], list[tuple[str, str]]] = {}
        moved = {lent.seat.request.holder for lent in self._books.lent.values() if lent.seat.hardware}
        for lent in self._books.lent.values():
            seat, request = lent.seat, lent.seat.request
            wants = seat.code is not None and request.hardware is HardwareUse.PREFER and seat.opened is not None
            if not wants or request.holder in moved:
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

    def _begin(self, promotion: Promotion, old: Seat, now: float) -> None:
        self._promotions.begun(promotion)
        seat = self._desk.promote(old.request)
        if seat is None:  # its memory, say
            self._promotions.ended(promotion, False, now)
            return
        task = asyncio.get_running_loop().create_task(self._move(promotion, seat), name=f"promote {promotion.holder}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _move(self, promotion: Promotion, seat: Seat) -> None:
        assert self.mover is not None
        worked, why = False, None
        try:
            async with asyncio.timeout(MOVE_S):
                worked = await self.mover(promotion.holder, seat)
        except TimeoutError:
            why = f"it was not moved within {MOVE_S:g} s"
        except SteadycastError as error:
            why = error.what
        finally:
            self.totals["done" if worked else "failed"] += 1
            self._promotions.ended(promotion, worked, self._parts.clock())
            if not worked and seat.number in self._books.lent:
                self._desk.free(seat)
        if worked:
            log.info("encoder.promoted", holder=promotion.holder, device=seat.device)
            data = {"holder": promotion.holder, "device": seat.device}
            self._parts.events.publish("encoder", "encoder.promoted", lobby=lobby_of(promotion.holder), data=data)
        else:
            log.info("not promoted", holder=promotion.holder, device=seat.device, why=why)
        self.tick()

    def _wind(self, holders: list[str], now: float) -> None:
        """Look again when time alone changes the answer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._promotions.next_at(holders, now)
        if at is not None and holders:
            self._timer = asyncio.get_running_loop().call_later(max(0.05, at - now), self.tick)
