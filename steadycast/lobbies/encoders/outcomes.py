"""What became of a seat, and what is learned from it: session caps, breakers, doubts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from steadycast.errors import EncoderError
from steadycast.leases.caps import Lesson, Verdict, verdict
from steadycast.lobbies.device_views import RefusalView
from steadycast.lobbies.encoders.admissions import lobby_of
from steadycast.lobbies.encoders.books import Books
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.living import Living
from steadycast.lobbies.seats import Seat
from steadycast.model import EncoderFault, EncoderReport, Subject
from steadycast.tracking.quiet import Lent

log = structlog.get_logger("encoders")

REMEMBERED = 1024  # refusals of one device for one holder, and devices with a last refusal
REFUSALS = 64  # of one pool that a lesson is made of
# Faults of the order or the installation: another look at the device is no help, a trial says whether it works at all.
_DOUBTS = frozenset({EncoderFault.SETTINGS, EncoderFault.UNSUPPORTED, EncoderFault.VERSION})


@dataclass(frozen=True, slots=True)
class _Full:
    """A pool gave no session to a device while these had or were about to have one; `trial`: a trial had one, too."""

    device: str
    others: tuple[Seat, ...]
    trial: bool


def fault_of(code: str) -> EncoderFault:
    """The fault of an error's code; one that is not known counts as a failed opening."""
    try:
        return EncoderFault(code)
    except ValueError:
        return EncoderFault.OPEN


def _lent(seat: Seat, now: float) -> Lent:
    """What a seat's rendition is in its worker. What it holds goes with codec, encoder and size."""
    request = seat.request
    kind = f"{request.codec.value} {seat.order.entry} {request.width}x{request.height}"
    lobby, _, track = request.holder.partition("/")
    return Lent(Subject.RENDITION, f"seat {seat.number}", track or lobby, kind, lobby_of(request.holder), now)


class Outcomes:
    """Learns. `look_again` asks for a look at the devices now: other programs may have taken what we counted on."""

    def __init__(self, parts: EncodersParts, books: Books, look_again: Callable[[], None]) -> None:
        self._parts = parts
        self._books = books
        self._look_again = look_again
        self._full: dict[str, list[_Full]] = {}  # by pool: what is not learned yet
        self._unfit: dict[tuple[str, str], None] = {}  # holders and devices that do not fit, in the order of learning
        self.last: dict[str, RefusalView] = {}  # by device
        self.failures: Counter[str] = Counter()
        self.copies = 0
        self.living: Living | None = None  # hears of renditions that encode, and of their end
        self._copied: set[int] = set()  # numbers of seats, while they are lent

    def opened(self, seat: Seat, pid: int, report: EncoderReport | None) -> None:
        """It encodes: that many sessions are possible."""
        seat.pid, seat.report, seat.opened = pid, report, self._parts.clock()
        self._books.parked.opened(seat)
        self._books.touched(pid, seat.device)
        self._books.failed.pop((seat.request.holder, seat.device), None)
        self._books.refresh(seat.device)
        known = self._books.roster.get(seat.device)
        if known is not None and seat.hardware:
            pool = known.device.pool
            ours, foreign = self._books.open_in(pool), self._books.foreign.get(pool)
            self._learned(pool, self._books.caps.proven(self._books.pool(pool), ours, foreign, self._parts.wall()))
        if report is not None and report.memory is not None:
            self.reported(seat, report)
        if self.living is not None:
            self.living.opened_in(pid, _lent(seat, self._parts.wall()))

    def reported(self, seat: Seat, report: EncoderReport) -> None:
        """What was really built; says once if pictures are copied though that was not the plan."""
        seat.report = report
        if report.planned is None or report.memory == report.planned or seat.number in self._copied:
            return
        self._copied.add(seat.number)
        self.copies += 1
        why = "; ".join(report.notes) or f"planned {report.planned}, got {report.memory or 'system memory'}"
        self._say(seat, "encoder.copies", None, why)

    def refused(self, seat: Seat, error: EncoderError) -> None:
        """It did not open. The seat is still lent."""
        fault = fault_of(error.code)
        why = error.what if error.why is None else f"{error.what}: {error.why}"
        self._failed(seat, fault, why)
        if not seat.hardware:
            if fault in _DOUBTS or fault is EncoderFault.MISSING:
                self._doubted(seat, why)
            return
        match self.verdict(seat, fault):
            case Verdict.CAP:
                self.full(seat.device, seat)
            case Verdict.VRAM:
                self._look_again()
            case Verdict.NO_ENCODER:
                self._doubted(seat, why)
            case Verdict.DRIVER | Verdict.OTHER if fault in _DOUBTS:
                self._doubted(seat, why)
            case _:
                self._remember(seat, why)
                self.broke(seat.device, fault, why)

    def failed(self, seat: Seat, fault: EncoderFault, what: str) -> None:
        """It had opened and failed later. The seat is still lent."""
        self._failed(seat, fault, what)
        if seat.hardware:
            self._remember(seat, what)
            self.broke(seat.device, fault, what)

    def gone(self, seat: Seat) -> None:
        """It is not lent any more."""
        self._copied.discard(seat.number)
        if seat.pid is not None:
            self._books.touched(seat.pid, seat.device)
            if self.living is not None:
                why = "closed" if seat.fault is None else seat.fault.value
                self.living.closed_in(seat.pid, _lent(seat, self._parts.wall()), why)

    def verdict(self, seat: Seat, fault: EncoderFault) -> Verdict:
        """What a refusal means, with what is reserved for this seat counted as free."""
        known = self._books.roster.get(seat.device)
        if known is None:
            return Verdict.OTHER
        pool = known.device.pool
        is_open = self._books.maybe_open(pool, seat)
        vram = self._books.ledger.quota(f"vram:{seat.device}")
        lent = self._books.lent.get(seat)
        lease = lent.reservation.parts.get(vram.name) if lent is not None else None
        needed = 0 if lease is None else int(lease.amount)
        free = None if vram.free is None else int(vram.free) + needed
        return verdict(fault, is_open, self._books.cap(pool).limit, free, needed)

    def full(self, device: str, seat: Seat | None = None) -> None:
        """The driver had no session left for this seat, or for a trial. What is learned of it waits for a look at who
        holds them, and until it is clear which of those that were about to open had one."""
        known = self._books.roster.get(device)
        if known is None:
            return
        pool = known.device.pool
        others = tuple(one for one in self._books.seats_in(pool) if one is not seat)
        lent = int(self._books.sessions(pool).lent) - (seat is not None and seat in self._books.lent)
        refusals = self._full.setdefault(pool, [])
        if len(refusals) < REFUSALS:
            refusals.append(_Full(device, others, lent > len(others)))
        self._books.in_doubt[pool] = min(lent, self._books.in_doubt.get(pool, lent))
        self._look_again()

    def looked(self) -> None:
        """The devices were looked at."""
        for pool, refusals in tuple(self._full.items()):
            if not any(seat in self._books.lent and seat.opened is None for one in refusals for seat in one.others):
                del self._full[pool]
                self._books.in_doubt.pop(pool, None)
                self._learn_full(pool, refusals)
        self._books.refresh_sessions()

    def _learn_full(self, pool: str, refusals: list[_Full]) -> None:
        """A trial that had a session is gone by now, and nobody knows whether it had one: nothing is learned then."""
        had = [(sum(seat.opened is not None for seat in one.others), one.device) for one in refusals if not one.trial]
        if had:
            ours, device = min(had)
            foreign = self._books.others_in(pool)
            lesson = self._books.caps.refused(self._books.pool(pool), ours, foreign, self._parts.wall())
            self._learned(pool, lesson)
            if lesson.doubtful:
                self.broke(device, EncoderFault.OPEN, lesson.why)

    def broke(self, device: str, fault: EncoderFault, why: str) -> None:
        """The device or its driver is to blame."""
        if self._books.breaker(device).failed(self._parts.clock(), why, fatal=fault is EncoderFault.DRIVER_LOST):
            self.breaker_said(device, why)

    def breaker_said(self, device: str, why: str | None) -> None:
        """A breaker changed."""
        state = self._books.breaker(device).status(self._parts.clock()).state.value
        log.warning("encoder.breaker", device=device, state=state, why=why)
        self._parts.events.publish("encoder", "encoder.breaker", why=why, data={"device": device, "state": state})

    def is_unfit(self, holder: str, device: str) -> bool:
        """Whether a device said of what this holder wants that it cannot do it."""
        return (holder, device) in self._unfit

    # --- inside

    def _failed(self, seat: Seat, fault: EncoderFault, why: str) -> None:
        seat.fault = fault
        self.failures[fault.value] += 1
        self.last.pop(seat.device, None)
        self.last[seat.device] = RefusalView(self._parts.wall(), fault.value, why)
        if len(self.last) > REMEMBERED:
            del self.last[next(iter(self.last))]
        self._say(seat, "encoder.failed", fault.value, why)

    def _remember(self, seat: Seat, why: str) -> None:
        failed, key = self._books.failed, (seat.request.holder, seat.device)
        failed.pop(key, None)
        failed[key] = why
        if len(failed) > REMEMBERED:
            del failed[next(iter(failed))]

    def _doubted(self, seat: Seat, why: str) -> None:
        self._unfit[seat.request.holder, seat.device] = None
        if len(self._unfit) > REMEMBERED:
            del self._unfit[next(iter(self._unfit))]
        self._books.beliefs.doubted(seat.device, seat.request.codec, why, self._parts.clock())

    def _learned(self, pool: str, lesson: Lesson) -> None:
        if lesson.after == lesson.before:
            return
        self._books.keep_caps()
        self._books.refresh_sessions()
        if lesson.changed:
            limit, origin = lesson.after.limit, lesson.after.origin
            log.info("encoder.learned", pool=pool, limit=limit, before=lesson.before.limit, why=lesson.why)
            data = {"pool": pool, "limit": limit, "before": lesson.before.limit, "origin": origin and origin.value}
            self._parts.events.publish("encoder", "encoder.learned", why=lesson.why, data=data)

    def _say(self, seat: Seat, name: str, code: str | None, why: str) -> None:
        holder = seat.request.holder
        log.warning(name, holder=holder, device=seat.device, code=code, why=why)
        data = {"holder": holder, "device": seat.device, "code": code}
        known = {key: value for key, value in data.items() if value is not None}
        self._parts.events.publish("encoder", name, lobby=lobby_of(holder), why=why, data=known)
