"""Seats for a holder that has one and goes on in another process, on other hardware or with another size."""

from __future__ import annotations

from dataclasses import replace

from steadycast.leases.admission import admit
from steadycast.leases.decisions import EncodeRequest, Fallback, Grant
from steadycast.lobbies.encoders.admissions import Admissions
from steadycast.lobbies.encoders.books import Ahead, Books
from steadycast.lobbies.encoders.desk import Desk
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.encoders.waiters import needs_cpu
from steadycast.lobbies.seats import Seat
from steadycast.model import HardwareUse


class Transfers:
    """Nothing here waits, and nobody in the line is passed."""

    def __init__(self, parts: EncodersParts, books: Books, desk: Desk, admissions: Admissions) -> None:
        self._parts = parts
        self._books = books
        self._desk = desk
        self._said = admissions

    def beside(self, request: EncodeRequest) -> Seat | None:
        """See `Encoding.beside`."""
        snapshot = self._books.snapshot(request, self._desk.everybody(), True, give_up=False)
        decision = admit(request, snapshot, self._parts.clock())
        if not isinstance(decision, Grant | Fallback) or self._desk.closed:
            return None
        known = self._books.roster.get(decision.device)
        if (known is None or not known.device.hardware) and any(map(needs_cpu, self._desk.line)):
            return None  # what is free on the CPU is for those who wait for it
        seat = self._desk.reserve(request, decision)
        if seat is not None:
            self._said.add(request, decision, seat.device)
        return seat

    def promote(self, request: EncodeRequest) -> Seat | None:
        """A seat on hardware that is free now, for somebody who encodes in software."""
        wish = replace(request, hardware=HardwareUse.REQUIRE, refused=frozenset())
        snapshot = self._books.snapshot(wish, self._desk.ahead(wish), True, give_up=False)
        decision = admit(wish, snapshot, self._parts.clock())
        return self._desk.reserve(request, decision) if isinstance(decision, Grant) else None

    def promoted(self, seat: Seat) -> None:
        """Its holder encodes there now."""
        self._said.promoted(seat.request, seat.device, seat.trail)

    def renew(self, seat: Seat, request: EncodeRequest) -> Seat | None:
        """See `Encoding.renew`. The line is served after it, and gets what is left."""
        self._books.take_back(seat)
        try:
            wish = replace(request, device=seat.device, refused=frozenset())
            if not seat.hardware:
                wish = replace(wish, hardware=HardwareUse.FORBID)
            snapshot = self._books.snapshot(wish, Ahead(), True, give_up=False)
            decision = admit(wish, snapshot, self._parts.clock())
            if not isinstance(decision, Grant) or self._desk.closed:
                return None
            if seat.code is not None:
                why = seat.why or ""
                same = Fallback(decision.device, decision.takes, seat.code, why, decision.trail, seat.no_hardware)
                return self._desk.reserve(request, same)
            return self._desk.reserve(request, decision)
        finally:
            self._desk.serve()
