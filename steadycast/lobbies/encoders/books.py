"""The books: what is lent, which devices there are, what is believed of them, and the snapshot that admission sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from steadycast.config.encoder_settings import EncoderSettings
from steadycast.leases.breaker import Breaker, BreakerRules, BreakerState
from steadycast.leases.caps import Cap, Caps, PoolFacts
from steadycast.leases.decisions import DeviceFacts, EncodeRequest, Snapshot
from steadycast.leases.ledger import Ledger, Reservation
from steadycast.leases.quota import Quota
from steadycast.leases.reconcile import used_by_others
from steadycast.lobbies.encoders.beliefs import Beliefs
from steadycast.lobbies.encoders.cpu import Cpu
from steadycast.lobbies.encoders.lent import Lent, LentSeats
from steadycast.lobbies.encoders.notes import CAP, TRIAL, Notes
from steadycast.lobbies.encoders.parked import Parked
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.encoders.roster import Known, Roster
from steadycast.lobbies.seats import Seat
from steadycast.model import Codec, HardwareUse

BREAKERS = 256  # of devices that were ever seen; the oldest is forgotten
PIDS = 4096
FORGET_S = 60.0  # a process that ended; its session shows a while longer
KEPT = "all"  # the one fact of the caps


class Ahead:
    """Those who are before somebody in the line, counted by the pools that they could use."""

    def __init__(self) -> None:
        self._by_pools: Counter[frozenset[str]] = Counter()

    def add(self, pools: frozenset[str]) -> None:
        self._by_pools[pools] += 1

    @property
    def total(self) -> int:
        return self._by_pools.total()

    def of(self, pool: str) -> int:
        """How many could use this pool."""
        return sum(number for pools, number in self._by_pools.items() if pool in pools)


@dataclass(frozen=True, slots=True)
class Touched:
    """When an encoder last opened or ended in a process, and of which devices there ever was one."""

    at: float
    devices: frozenset[str]


class Books:
    """All of it. Nothing here waits."""

    def __init__(self, parts: EncodersParts, notes: Notes) -> None:
        settings = parts.settings.encoders
        self._parts = parts
        self._notes = notes
        self.ledger = Ledger()
        self.roster = Roster()
        self.beliefs = Beliefs(settings.fragments, parts.gstreamer, lambda name, value: notes.put(TRIAL, name, value))
        self.caps = Caps(settings.sessions)
        mark = f"{parts.machine} x{parts.cores} {parts.gstreamer or '-'}"
        self.cpu = Cpu(settings, self.ledger.quota("cpu"), mark, parts.cores)
        self.lent = LentSeats()
        self.parked = Parked(parts.settings.renditions.parked, parts.clock)
        self._touched: dict[int, Touched] = {}  # processes of ours in which encoders opened or ended
        self.foreign: Mapping[str, int | None] = {}  # by pool, since the last look
        self.in_doubt: dict[str, int] = {}  # pools that just refused: at most so many are lent until it is learned
        self.failed: dict[tuple[str, str], str] = {}  # why a device failed a holder, if not for want of room
        self._taken: dict[str, int] = {}
        self._breakers: dict[str, Breaker] = {}

    @property
    def settings(self) -> EncoderSettings:
        """What the operator says now."""
        return self._parts.settings.encoders

    # --- devices and pools

    def breaker(self, device: str) -> Breaker:
        breaker = self._breakers.get(device)
        if breaker is None:
            if len(self._breakers) >= BREAKERS:
                del self._breakers[next(iter(self._breakers))]
            s = self.settings
            rules = BreakerRules(s.breaker_failures, s.breaker_window_s, s.breaker_rest_s, s.breaker_trips)
            breaker = self._breakers[device] = Breaker(rules)
        return breaker

    def quarantined(self, known: Known, now: float) -> str | None:
        """Why a device gets no new work."""
        if known.quarantined is not None:
            return known.quarantined
        status = self.breaker(known.device.id).status(now)
        if status.state is BreakerState.CLOSED:
            return None
        rest = {BreakerState.LATCHED: "a person must reset it", BreakerState.TRYING: "a trial runs"}
        return f"it failed too often ({status.why}); {rest.get(status.state, 'it is tried again soon')}"

    def pool(self, name: str) -> PoolFacts:
        """What is known of a pool: the lowest cap that a device of it names."""
        devices = [known.device for known in self.roster.of_pool(name)]
        caps = [device.session_cap for device in devices if device.session_cap is not None]
        driver = next((device.driver for device in devices if device.driver is not None), None)
        return PoolFacts(name, driver, min(caps, default=None))

    def cap(self, pool: str) -> Cap:
        return self.caps.cap(self.pool(pool), self._parts.wall())

    def sessions(self, pool: str) -> Quota:
        return self.ledger.quota(f"sessions:{pool}")

    def seats_in(self, pool: str) -> tuple[Seat, ...]:
        """Those that are lent there; `opened` says which of them encode."""
        return tuple(lent.seat for known in self.roster.of_pool(pool) for lent in self.lent.on(known.device.id))

    def open_in(self, pool: str) -> int:
        """Encoders of ours that are open there."""
        return sum(seat.opened is not None for seat in self.seats_in(pool))

    def maybe_open(self, pool: str, but: Seat | None = None) -> int | None:
        """Sessions that may be open there: of others as last seen, and all that is lent, except for one seat. None:
        nothing of ours is, and of others nothing was ever seen."""
        ours = int(self.sessions(pool).lent) - (but is not None and but in self.lent)
        others = self.others_in(pool)
        return ours or None if others is None else ours + others

    def others_in(self, pool: str) -> int | None:
        """Sessions of other programs, as last seen; None: they never were."""
        foreign = self.foreign.get(pool)
        return self._taken.get(pool) if foreign is None else foreign

    def keep_caps(self) -> None:
        self._notes.put(CAP, KEPT, self.caps.dump())

    def usable(self, codec: Codec, device: str | None, now: float) -> Iterable[Known]:
        """Hardware that encodes this and gets work, if it has room."""
        for known in self.roster:
            belief = self.beliefs.get(known.device.id, codec)
            works = known.device.hardware and belief is not None and belief.works
            if works and device in (None, known.device.id) and self.quarantined(known, now) is None:
                yield known

    # --- seats

    def lend(self, seat: Seat, reservation: Reservation) -> None:
        """A seat is lent."""
        self.lent.add(Lent(seat, reservation))

    def take_back(self, seat: Seat) -> None:
        """Raises LeaseError where it is not lent (any more)."""
        lent = self.lent.remove(seat)
        self.parked.gone(seat)
        self.ledger.give_back(lent.reservation)
        self.refresh(seat.device)

    def pass_to(self, seat: Seat, request: EncodeRequest) -> None:
        """What is lent with a seat is lent for another request of the same size from now on."""
        lent = self.lent.remove(seat)
        has = {name: lease.amount for name, lease in lent.reservation.parts.items()}
        self.ledger.give_back(lent.reservation)
        seat.request = request
        self.lend(seat, self.ledger.bear(request.holder, has, self._parts.clock()))

    def touched(self, pid: int, device: str) -> None:
        """An encoder of this device opened or ended in this process."""
        before = self._touched.pop(pid, None)
        devices = before.devices if before is not None else frozenset[str]()
        self._touched[pid] = Touched(self._parts.clock(), devices | {device})
        if len(self._touched) > PIDS:
            del self._touched[next(iter(self._touched))]

    def encoded(self, pid: int, device: str) -> bool:
        """Whether this process ever had an encoder of this device, as far as is remembered."""
        return pid in self._touched and device in self._touched[pid].devices

    def own_pids(self, alive: Iterable[int], now: float) -> dict[int, float]:
        """Processes that are or lately were ours, with the time when an encoder last opened or ended there."""
        alive = frozenset(alive)
        self._touched = {pid: one for pid, one in self._touched.items() if pid in alive or now - one.at < FORGET_S}
        return {**dict.fromkeys(alive, float("-inf")), **{pid: one.at for pid, one in self._touched.items()}}

    # --- what others use

    def occupied(self, foreign: Mapping[str, int | None], taken: Mapping[str, int]) -> None:
        """Sessions of other programs, by pool. Where a driver does not say, what it said last goes on to count."""
        self.foreign = foreign
        unsure = {pool: self._taken[pool] for pool, n in foreign.items() if n is None and pool in self._taken}
        known = {pool: n for pool, n in taken.items() if foreign.get(pool) is not None or n}
        self._taken = {pool: max(known.get(pool, 0), unsure.get(pool, 0)) for pool in {*known, *unsure}}

    def forget_gone(self) -> None:
        """Drop the quotas of devices and pools that are not there any more."""
        names = {"cpu"}
        for known in self.roster:
            device = known.device
            names |= {f"sessions:{device.pool}", f"vram:{device.id}", f"bar1:{device.id}"}
        self.ledger.keep(names)

    def refresh(self, device: str | None = None) -> None:
        """Limits and what others use of them, after a look, or when an encoder opened or is gone on a device."""
        self.refresh_sessions()
        for known in self.roster:
            if known.device.hardware and known.last is not None and device in (None, known.device.id):
                self._refresh_memory(known)

    def refresh_sessions(self) -> None:
        """Session limits change with the time, too."""
        for pool in {known.device.pool for known in self.roster if known.device.hardware}:
            quota, limit = self.sessions(pool), self.cap(pool).limit
            occupied = self._taken.get(pool, 0)
            if pool in self.in_doubt:
                full = self.in_doubt[pool] + occupied
                limit = full if limit is None else min(limit, full)
            quota.resize(limit)
            quota.occupy(occupied)

    def _refresh_memory(self, known: Known) -> None:
        use, device = known.last, known.device.id
        assert use is not None
        share = 1 - self.settings.vram_reserve
        mine = {lent.seat.pid for lent in self.lent.on(device) if lent.seat.opened is not None}
        by_pid = use.memory_by_pid
        shown = None if by_pid is None else sum(size for pid, size in by_pid.items() if pid in mine)
        taken = None if use.vram_used is None else use.vram_used + (use.vram_reserved or 0)
        for name, total, used, ours in (
            (f"vram:{device}", use.vram_total and int(use.vram_total * share), taken, shown),
            (f"bar1:{device}", use.bar1_total, use.bar1_used, None),
        ):
            quota = self.ledger.quota(name)
            quota.resize(total if used is not None else None)
            quota.occupy(used_by_others(used, ours, self._open_amount(device, name)) or 0)

    def _open_amount(self, device: str, quota: str) -> int:
        """What open encoders have of a quota; those that are still to open do not show in what is used."""
        parts = (lent.reservation.parts.get(quota) for lent in self.lent.on(device) if lent.seat.opened is not None)
        return int(sum(lease.amount for lease in parts if lease is not None))

    # --- admission

    def snapshot(self, request: EncodeRequest, ahead: Ahead, line_full: bool, *, give_up: bool = True) -> Snapshot:
        """What admission looks at. `give_up` False: no idle encoder can be had."""
        self.refresh_sessions()
        now = self._parts.clock()
        devices = tuple(self._facts(known, request, now) for known in self.roster)
        software = frozenset(codec for device in devices if not device.hardware for codec in device.codecs)
        return Snapshot(
            devices,
            self.cpu.free,
            self.cpu.total,
            self.cpu.factors,
            software,
            ahead.total,
            line_full,
            self.parked.by_device() if give_up and request.hardware is not HardwareUse.FORBID else {},
            self.settings.descriptors_reserve,
            {device.pool: ahead.of(device.pool) for device in devices},
        )

    def _facts(self, known: Known, request: EncodeRequest, now: float) -> DeviceFacts:
        device, quota = known.device, self.sessions(known.device.pool)
        beliefs = tuple(self.beliefs.of(device.id))
        return DeviceFacts(
            device.id,
            device.name,
            device.hardware,
            device.pool,
            frozenset(belief.codec for belief in beliefs if belief.works),
            {belief.codec: doubt for belief in beliefs if (doubt := belief.doubt) is not None},
            device.none_because,
            self.quarantined(known, now) if device.hardware else known.quarantined,
            _whole(quota.free),
            _whole(quota.limit),
            self.foreign.get(device.pool),
            self._free(f"vram:{device.id}", known),
            self._free(f"bar1:{device.id}", known),
            self.settings.weights.get(device.id, 1.0),
            self.lent.load(device.id),
            self.failed.get((request.holder, device.id)),
        )

    def _free(self, quota: str, known: Known) -> int | None:
        return _whole(self.ledger.quota(quota).free) if known.device.hardware else None


def _whole(amount: float | None) -> int | None:
    return None if amount is None else int(amount)
