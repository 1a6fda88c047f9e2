"""Seats of encoders that run already when a host starts, in workers of a former control plane.

What is so is written into the books, also where less is free. Which pool a device belongs to is known only once the
devices were looked at: its session is written down then.
"""

from __future__ import annotations

from steadycast.leases import cost
from steadycast.leases.decisions import Denial, EncodeRequest
from steadycast.leases.options import video_memory
from steadycast.lobbies.encoders.admissions import Admissions
from steadycast.lobbies.encoders.books import Books
from steadycast.lobbies.encoders.desk import Desk
from steadycast.lobbies.encoders.outcomes import Outcomes
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.seats import Seat
from steadycast.model import EncoderOrder, EncoderReport, HardwareUse
from steadycast.vendors.software import SoftwareVendor

FOUND = "It encoded in software when this host found it."


class Inherited:
    """Adopts, and settles what is adopted with each look."""

    def __init__(
        self, parts: EncodersParts, books: Books, desk: Desk, outcomes: Outcomes, admissions: Admissions
    ) -> None:
        self._parts = parts
        self._admissions = admissions
        self._books = books
        self._desk = desk
        self._outcomes = outcomes
        self._unsettled: list[Seat] = []

    def adopt(self, request: EncodeRequest, order: EncoderOrder, pid: int, report: EncoderReport | None) -> Seat:
        """See `Encoding.adopt`."""
        hardware, now = order.vendor != SoftwareVendor.name, self._parts.clock()
        known = self._books.roster.get(order.device)
        name = order.device if known is None else known.device.name
        seat = Seat(self._desk.number(), request, order.device, name, hardware, order, now)
        if not hardware and request.hardware is HardwareUse.PREFER:
            seat.code, seat.why, seat.no_hardware = Denial.NO_ENCODER, FOUND, True
            self._admissions.found(request.holder)
        self._books.lend(seat, self._books.ledger.bear(request.holder, self._has(seat), now))
        self._unsettled.append(seat)
        self._outcomes.opened(seat, pid, report)
        return seat

    def looked(self) -> None:
        """The devices were looked at: what was not known of them is filled in."""
        waiting, self._unsettled = self._unsettled, []
        for seat in waiting:
            lent, known = self._books.lent.get(seat), self._books.roster.get(seat.device)
            if lent is None:
                continue
            if known is None:
                self._unsettled.append(seat)
                continue
            seat.device_name = known.device.name
            more = self._books.ledger.bear_more(lent.reservation, self._has(seat), self._parts.clock())
            self._books.lent.reserved(seat, more)
            if seat.no_hardware and self._made_for(seat):
                seat.code, seat.no_hardware = Denial.ENCODER_SESSIONS, False

    def _has(self, seat: Seat) -> dict[str, float]:
        request, device = seat.request, seat.device
        if not seat.hardware:
            return {"cpu": cost.cpu_pixels(request.codec, request.pixels_per_s, self._books.cpu.factors)}
        has = {
            f"vram:{device}": float(video_memory(request)),
            f"bar1:{device}": float(cost.bar1_bytes()),
        }
        known = self._books.roster.get(device)
        return has if known is None else {f"sessions:{known.device.pool}": 1.0, **has}

    def _made_for(self, seat: Seat) -> bool:
        """Whether any hardware here is made for what it encodes."""
        codec = seat.request.codec
        return any(
            known.device.hardware and self._books.beliefs.get(known.device.id, codec) is not None
            for known in self._books.roster
        )
