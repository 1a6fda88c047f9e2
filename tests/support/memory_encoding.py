"""Who may encode where, in memory: devices with so many seats, a line, and a ledger that fails at any double return."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from steadycast.errors import EncoderError, RefusedError
from steadycast.leases.decisions import Denial, EncodeRequest
from steadycast.lobbies.seats import Place, Seat
from steadycast.model import Codec, EncoderFault, EncoderOrder, EncoderReport, HardwareUse, WhenFull

SOFTWARE = "software"


class MemoryEncoding:
    """An `Encoding`. `devices` says how many seats each piece of hardware has; software has no end.

    `ends` counts what became of seats, `history` has them in order with their number.
    """

    def __init__(self, **devices: int) -> None:
        self.devices = dict(devices)
        self.lacks: set[Codec] = set()  # nothing here encodes these
        self.requests: list[EncodeRequest] = []
        self.seats: dict[int, Seat] = {}  # that are lent
        self.ends: Counter[str] = Counter()
        self.history: list[tuple[str, int]] = []
        self.parked: dict[int, Callable[[], Awaitable[None]]] = {}
        self.reports: list[EncoderReport] = []
        self.opening_now = 0
        self._numbers = itertools.count(1)
        self._line: dict[asyncio.Future[None], EncodeRequest] = {}

    async def take(self, request: EncodeRequest) -> Seat:
        self.requests.append(request)
        if request.codec in self.lacks:
            raise RefusedError(Denial.NO_ENCODER, "Nothing here encodes this.", why=request.codec.value)
        while (device := self._free(request)) is None:
            if request.when_full is WhenFull.REFUSE or self._hopeless(request):
                hint = "Wait until one ends."
                raise RefusedError(Denial.ENCODER_SESSIONS, "All encoders are taken.", hint=hint, retry_after=7)
            await self._wait(request)
        return self._lend(device, request)

    def beside(self, request: EncodeRequest) -> Seat | None:
        self.requests.append(request)
        device = self._free(request)
        return None if device is None or (self._line and device != SOFTWARE) else self._lend(device, request)

    def renew(self, seat: Seat, request: EncodeRequest) -> Seat | None:
        assert self.seats.pop(seat.number, None) is seat, f"seat {seat.number} ended twice: renewed"
        self.ends["renewed"] += 1
        self.parked.pop(seat.number, None)
        self.history.append(("renewed", seat.number))
        return self._lend(seat.device, request)

    def adopt(self, request: EncodeRequest, order: EncoderOrder, pid: int, report: EncoderReport | None) -> Seat:
        seat = self._lend(order.device, request)
        self.opened(seat, pid, report)
        return seat

    def lend(self, device: str, holder: str) -> Seat:
        """A seat for a move."""
        request = next(one for one in reversed(self.requests) if one.holder == holder)
        return self._lend(device, request)

    @asynccontextmanager
    async def opening(self, seat: Seat) -> AsyncIterator[None]:
        assert seat.number in self.seats
        self.opening_now += 1
        try:
            yield
        finally:
            self.opening_now -= 1

    def opened(self, seat: Seat, pid: int, report: EncoderReport | None) -> None:
        assert seat.number in self.seats and seat.pid is None
        seat.pid, seat.report, seat.opened = pid, report, time.monotonic()

    def reported(self, seat: Seat, report: EncoderReport) -> None:
        assert seat.number in self.seats
        seat.report = report
        self.reports.append(report)

    def refused(self, seat: Seat, error: EncoderError) -> None:
        assert seat.opened is None
        self._end(seat, "refused")

    def failed(self, seat: Seat, fault: EncoderFault, what: str) -> None:
        assert seat.opened is not None and isinstance(fault, EncoderFault)
        self._end(seat, "failed")

    def give_back(self, seat: Seat) -> None:
        self._end(seat, "given back")

    def idle(self, seat: Seat, give_up: Callable[[], Awaitable[None]] | None) -> None:
        assert seat.number in self.seats and (give_up is None) is (seat.number in self.parked)
        if give_up is None:
            del self.parked[seat.number]
        else:
            self.parked[seat.number] = give_up

    def pass_to(self, seat: Seat, request: EncodeRequest) -> None:
        assert seat.number in self.seats and seat.number not in self.parked
        before = seat.request
        assert (before.codec, before.width, before.height) == (request.codec, request.width, request.height)
        seat.request = request
        self.history.append(("passed", seat.number))

    def unfit(self, seat: Seat) -> None:
        assert seat.number in self.seats and seat.number not in self.parked

    def place(self, holder: str) -> Place | None:
        line = sorted(self._line.values(), key=lambda request: request.since)
        for position, request in enumerate(line, 1):
            if request.holder == holder:
                return Place(holder, position, request.since, Denial.ENCODER_SESSIONS, "All are taken.")
        return None

    @property
    def waiting(self) -> int:
        return len(self._line)

    def on(self, device: str) -> list[Seat]:
        """The seats that are lent of a device."""
        return [seat for seat in self.seats.values() if seat.device == device]

    def _free(self, request: EncodeRequest) -> str | None:
        for device, seats in self.devices.items():
            if device not in request.refused and len(self.on(device)) < seats:
                return device
        hardware_only = request.hardware is HardwareUse.REQUIRE or request.when_full is not WhenFull.FALLBACK
        return None if hardware_only or SOFTWARE in request.refused else SOFTWARE

    def _hopeless(self, request: EncodeRequest) -> bool:
        return request.when_full is not WhenFull.QUEUE or not set(self.devices) - request.refused

    async def _wait(self, request: EncodeRequest) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line[turn] = request
        try:
            await turn
        finally:
            del self._line[turn]

    def _lend(self, device: str, request: EncodeRequest) -> Seat:
        order = EncoderOrder(device, "memory", request.codec, "x264enc", ("x264enc",))
        hardware = device != SOFTWARE
        seat = Seat(next(self._numbers), request, device, device, hardware, order, time.monotonic())
        if not hardware and self.devices:
            seat.code, seat.why = Denial.ENCODER_SESSIONS, "All are taken."
        self.seats[seat.number] = seat
        return seat

    def _end(self, seat: Seat, how: str) -> None:
        assert self.seats.pop(seat.number, None) is seat, f"seat {seat.number} ended twice: {how}"
        self.ends[how] += 1
        self.parked.pop(seat.number, None)
        self.history.append((how, seat.number))
        line = sorted((request.since, number) for number, request in enumerate(self._line.values()))
        for _, number in line[:1]:
            turn = list(self._line)[number]
            if not turn.done():
                turn.set_result(None)
