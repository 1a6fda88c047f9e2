"""A host in miniature for the books of `leases`: drivers that tell the truth only by refusing, and a desk that acts on
decisions. Time is simulated; nothing here is a device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from steadycast.leases.admission import admit
from steadycast.leases.breaker import Breaker, BreakerRules, BreakerState
from steadycast.leases.caps import Caps, PoolFacts, Verdict, verdict
from steadycast.leases.decisions import (
    Decision,
    Denial,
    Deny,
    DeviceFacts,
    EncodeRequest,
    Fallback,
    Grant,
    Queue,
    Snapshot,
)
from steadycast.leases.ledger import Ledger, Reservation
from steadycast.leases.line import Entry, Line
from steadycast.leases.promotion import Candidate, Promotions
from steadycast.model import Codec, EncoderFault, HardwareUse
from tests.support.decision_check import check_decision

CPU = 400e6


@dataclass
class Pool:
    """The truth about a pool: what the driver gives, what others hold and what was seen of that at the last look;
    `table` is what its documentation says."""

    name: str
    real: int
    table: int | None
    foreign: int = 0
    seen: int = 0

    @property
    def facts(self) -> PoolFacts:
        return PoolFacts(self.name, "550.54", self.table)


@dataclass
class Seat:
    """Where a holder encodes."""

    request: EncodeRequest
    device: str
    pool: str | None  # None: software
    reservation: Reservation


class Desk:
    """Admits, opens, learns, queues and promotes. `waiting` holds the request of everybody in the line."""

    def __init__(self, devices: dict[str, Pool], line_limit: int = 256, queue_s: float | None = 10.0) -> None:
        self.devices = devices
        self.pools = {pool.name: pool for pool in devices.values()}
        self.ledger = Ledger()
        self.ledger.quota("cpu").resize(CPU)
        self.caps = Caps({})
        self.line = Line(line_limit)
        self.breakers = {name: Breaker(BreakerRules()) for name in devices}
        self.promotions = Promotions(3.0)
        self.seats: dict[str, Seat] = {}
        self.waiting: dict[str, EncodeRequest] = {}
        self.lost: dict[str, str] = {}  # holders that were told no, and the code
        self.served: list[str] = []
        self.queue_s = queue_s
        self.now = 1000.0
        self.look()

    def look(self) -> None:
        """What others hold is seen, caps follow."""
        for pool in self.pools.values():
            pool.seen = pool.foreign
            self.caps.proven(pool.facts, self.open_in(pool.name), pool.seen, self.now)
            quota = self.ledger.quota(f"sessions:{pool.name}")
            quota.resize(self.caps.cap(pool.facts, self.now).limit)
            quota.occupy(pool.seen)

    def open_in(self, pool: str) -> int:
        return sum(seat.pool == pool for seat in self.seats.values())

    def usable(self, request: EncodeRequest) -> frozenset[str]:
        return frozenset(p.name for d, p in self.devices.items() if request.device in (None, d))

    def snapshot(self, ahead: Iterable[EncodeRequest], line_full: bool) -> Snapshot:
        before = tuple(ahead)
        pinned = any(r.device is not None for r in before)
        facts = []
        for name, pool in self.devices.items():
            quota = self.ledger.quota(f"sessions:{pool.name}")
            status = self.breakers[name].status(self.now)
            load = sum(s.request.pixels_per_s for s in self.seats.values() if s.device == name)
            facts.append(
                DeviceFacts(
                    id=name,
                    name=f"GPU {name}",
                    hardware=True,
                    pool=pool.name,
                    codecs=frozenset({Codec.H264}),
                    quarantined=None if status.state is BreakerState.CLOSED else status.why or "it failed",
                    sessions_free=None if quota.free is None else int(quota.free),
                    sessions_limit=None if quota.limit is None else int(quota.limit),
                    sessions_foreign=pool.seen,
                    load=load,
                )
            )
        return Snapshot(
            devices=tuple(facts),
            cpu_free=self.ledger.quota("cpu").free or 0.0,
            cpu_total=CPU,
            cpu_factors={},
            software_codecs=frozenset({Codec.H264}),
            ahead=len(before),
            ahead_in={name: sum(name in self.usable(r) for r in before) for name in self.pools} if pinned else {},
            line_full=line_full,
        )

    def ask(self, request: EncodeRequest) -> Decision:
        """A newcomer."""
        decision = self.decide(request, self.before(request))
        if isinstance(decision, Queue):
            deadline = None if self.queue_s is None else self.now + self.queue_s
            assert self.line.join(request.holder, request.since, request.priority, deadline) is not None
            self.waiting[request.holder] = request
        elif isinstance(decision, Deny):
            self.lost[request.holder] = decision.code
        return decision

    def before(self, request: EncodeRequest) -> list[EncodeRequest]:
        order = self.line.order()
        return [self.waiting[e.holder] for e in order[: self.line.ahead(request.since, request.priority)]]

    def decide(self, request: EncodeRequest, before: list[EncodeRequest]) -> Decision:
        """Asks until it encodes or is told to wait or to go; each device is tried at most once."""
        for _ in range(len(self.devices) + 2):
            snapshot = self.snapshot(before, self.line.full and self.line.position(request.holder) is None)
            decision = admit(request, snapshot, self.now)
            check_decision(decision, request, snapshot)
            if not isinstance(decision, Grant | Fallback):
                return decision
            reservation = self.ledger.reserve(request.holder, decision.takes, self.now)
            assert reservation is not None, "what was granted could not be reserved"
            if self.opens(request, decision.device, reservation):
                return decision
            request = replace(request, refused=request.refused | {decision.device})
        raise AssertionError("it went round in circles")

    def opens(self, request: EncodeRequest, device: str, reservation: Reservation) -> bool:
        pool = self.devices.get(device)
        if pool is None or self.open_in(pool.name) + pool.foreign < pool.real:
            self.seats[request.holder] = Seat(request, device, None if pool is None else pool.name, reservation)
            self.served.append(request.holder)
            if pool is not None:
                self.caps.proven(pool.facts, self.open_in(pool.name), pool.seen, self.now)
            return True
        self.ledger.give_back(reservation)
        ours = self.open_in(pool.name)
        told = verdict(EncoderFault.CLIENT_KEY, ours + pool.seen, self.caps.cap(pool.facts, self.now).limit, None, 1)
        lesson = None
        if told is Verdict.CAP:
            lesson = self.caps.refused(pool.facts, ours, pool.seen, self.now)
        if lesson is None or lesson.doubtful:
            self.breakers[device].failed(self.now, "it refused though nothing is open")
        self.look()
        return False

    def leave(self, holder: str) -> None:
        """Gone, wherever it was."""
        seat = self.seats.pop(holder, None)
        if seat is not None:
            self.ledger.give_back(seat.reservation)
        if self.line.leave(holder) is not None:
            del self.waiting[holder]
        self.promotions.forget(holder)

    def tick(self, seconds: float) -> None:
        """Time passes: deadlines, a look, canaries, then the line, then promotion."""
        self.now += seconds
        for entry in self.line.late(self.now):
            self.line.leave(entry.holder)
            del self.waiting[entry.holder]
            self.lost[entry.holder] = Denial.QUEUE_TIMEOUT
        self.look()
        for name, breaker in self.breakers.items():
            breaker.trying(self.now)
            pool = self.devices[name]
            breaker.tried(self.now, self.open_in(pool.name) + pool.foreign < pool.real)
        self.serve()
        self.promote()

    def serve(self) -> None:
        """Each of the line is asked once, in its order; nobody passes one who was told that no session is free."""
        stay: list[tuple[EncodeRequest, Denial]] = []
        for entry in self.line.order():
            if all(self.ledger.quota(f"sessions:{name}").free == 0 for name in self.pools):
                break
            request = self.waiting[entry.holder]
            decision = self.decide(request, [r for r, _ in stay])
            if isinstance(decision, Grant):
                self.check_order(entry, decision.device, stay)
                self.line.leave(entry.holder)
                del self.waiting[entry.holder]
            elif isinstance(decision, Queue | Deny):
                stay.append((request, decision.code))

    def check_order(self, entry: Entry, device: str, stay: list[tuple[EncodeRequest, Denial]]) -> None:
        pool = self.devices[device].name
        passed = [r for r, code in stay if pool in self.usable(r) and code is Denial.ENCODER_SESSIONS]
        assert not passed, f"{entry.holder} passed {passed[0].holder}"

    def promote(self) -> None:
        candidates = [
            Candidate(s.request.holder, s.reservation.since, s.request.priority, self.usable(s.request))
            for s in self.seats.values()
            if s.pool is None and s.request.hardware is HardwareUse.PREFER
        ]
        quotas = {name: self.ledger.quota(f"sessions:{name}").free for name in self.pools}
        free = {name: None if f is None else int(f) for name, f in quotas.items()}
        waiting = {name: sum(name in self.usable(r) for r in self.waiting.values()) for name in self.pools}
        for promotion in self.promotions.choose(candidates, free, waiting, self.now):
            self.promotions.begun(promotion)
            old = self.seats.pop(promotion.holder)
            ahead = list(self.waiting.values())
            decision = self.decide(replace(old.request, hardware=HardwareUse.REQUIRE), ahead)
            if isinstance(decision, Grant):
                self.ledger.give_back(old.reservation)
                self.seats[promotion.holder].request = old.request
            else:
                self.seats[promotion.holder] = old
            self.promotions.ended(promotion, isinstance(decision, Grant), self.now)

    def check(self) -> None:
        """What must hold at any time."""
        assert set(self.waiting) == {entry.holder for entry in self.line.order()}
        assert not set(self.waiting) & set(self.seats)
        for pool in self.pools.values():
            quota = self.ledger.quota(f"sessions:{pool.name}")
            assert quota.lent == self.open_in(pool.name)
            assert quota.free is None or quota.free >= 0
        cpu = self.ledger.quota("cpu")
        assert cpu.lent <= CPU
        assert len(self.ledger.reservations()) == len(self.seats)
