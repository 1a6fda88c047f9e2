"""The books: what is lent, which devices there are, what is believed of them, and the snapshot that admission sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from steadycast.leases.breaker import Breaker, BreakerRules, BreakerState
from steadycast.leases.caps import Cap, Caps, PoolFacts
from steadycast.leases.decisions import DeviceFacts, EncodeRequest, Snapshot
from steadycast.leases.ledger import Ledger, Reservation
from steadycast.leases.quota import LeaseError, Quota
from steadycast.leases.reconcile import used_by_others
from steadycast.lobbies.encoders.beliefs import Beliefs
from steadycast.lobbies.encoders.cpu import Cpu
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


@dataclass(frozen=True, slots=True)
class Lent:
    """A seat and what is reserved for it."""

    seat: Seat
    reservation: Reservation

    @property
    def load(self) -> int:
        """Pixels a second."""
        return int(self.seat.request.pixels_per_s)


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


class Books:
    """All of it. Nothing here waits."""

    def __init__(self, parts: EncodersParts, notes: Notes) -> None:
        settings = self.settings = parts.settings.encoders
        self._parts = parts
        self._notes = notes
        self.ledger = Ledger()
        self.roster = Roster()
        self.beliefs = Beliefs(settings.fragments, parts.gstreamer, lambda name, value: notes.put(TRIAL, name, value))
        self.caps = Caps(settings.sessions)
        mark = f"{parts.machine} x{parts.cores} {parts.gstreamer or '-'}"
        self.cpu = Cpu(settings, self.ledger.quota("cpu"), mark, parts.cores)
        self.lent: dict[int, Lent] = {}  # by the seat's number
        self.parked = Parked()
        self._loads: Counter[str] = Counter()
        self._touched: dict[int, float] = {}  # when an encoder last opened or ended in a process of ours
        self.foreign: Mapping[str, int | None] = {}  # by pool, since the last look
        self.in_doubt: set[str] = set()  # pools that just refused: they give nothing until they were looked at
        self._occupied: Mapping[str, int] = {}
        self._breakers: dict[str, Breaker] = {}

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

    def open_in(self, pool: str) -> int:
        """Encoders of ours that are open there."""
        pools = {known.device.id for known in self.roster.of_pool(pool)}
        return sum(lent.seat.opened is not None and lent.seat.device in pools for lent in self.lent.values())

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
        lent = self.lent[seat.number] = Lent(seat, reservation)
        self._loads[seat.device] += lent.load

    def take_back(self, seat: Seat) -> None:
        """Raises LeaseError where it is not lent (any more)."""
        lent = self.lent.get(seat.number)
        if lent is None or lent.seat is not seat:
            raise LeaseError(f"the seat {seat.number} of {seat.request.holder!r} is not lent")
        del self.lent[seat.number]
        self.parked.discard(seat)
        self._loads[seat.device] -= lent.load
        if self._loads[seat.device] <= 0:
            del self._loads[seat.device]
        self.ledger.give_back(lent.reservation)
        self.refresh()

    def touched(self, pid: int) -> None:
        """An encoder opened or ended in this process."""
        self._touched.pop(pid, None)
        self._touched[pid] = self._parts.clock()
        if len(self._touched) > PIDS:
            del self._touched[next(iter(self._touched))]

    def own_pids(self, alive: Iterable[int], now: float) -> dict[int, float]:
        """Processes that are or lately were ours, with the time when an encoder last opened or ended there."""
        alive = frozenset(alive)
        self._touched = {pid: at for pid, at in self._touched.items() if pid in alive or now - at < FORGET_S}
        return {**dict.fromkeys(alive, float("-inf")), **self._touched}

    # --- what others use

    def occupied(self, foreign: Mapping[str, int | None], at_least: Mapping[str, int]) -> None:
        """Sessions of other programs, by pool."""
        self.foreign, self._occupied = foreign, at_least

    def refresh(self) -> None:
        """Limits and what others use of them, after a look, or when an encoder opened or is gone."""
        self.refresh_sessions()
        for known in self.roster:
            if known.device.hardware and known.last is not None:
                self._refresh_memory(known)

    def refresh_sessions(self) -> None:
        """Session limits change with the time, too."""
        for pool in {known.device.pool for known in self.roster if known.device.hardware}:
            quota, limit = self.sessions(pool), self.cap(pool).limit
            occupied = self._occupied.get(pool, 0)
            if pool in self.in_doubt:
                full = int(quota.lent) + occupied
                limit = full if limit is None else min(limit, full)
            quota.resize(limit)
            quota.occupy(occupied)

    def _refresh_memory(self, known: Known) -> None:
        use, device = known.last, known.device.id
        assert use is not None
        share = 1 - self.settings.vram_reserve
        mine = {lent.seat.pid for lent in self.lent.values() if lent.seat.device == device and lent.seat.opened}
        by_pid = use.memory_by_pid
        shown = None if by_pid is None else sum(size for pid, size in by_pid.items() if pid in mine)
        taken = None if use.vram_used is None else use.vram_used + (use.vram_reserved or 0)
        for name, total, used, ours in (
            (f"vram:{device}", use.vram_total and int(use.vram_total * share), taken, shown),
            (f"bar1:{device}", use.bar1_total, use.bar1_used, None),
        ):
            quota = self.ledger.quota(name)
            quota.resize(total if used is not None else None)
            quota.occupy(used_by_others(used, ours, self._open_amount(name)) or 0)

    def _open_amount(self, quota: str) -> int:
        """What open encoders have of a quota; those that are still to open do not show in what is used."""
        parts = (lent.reservation.parts.get(quota) for lent in self.lent.values() if lent.seat.opened is not None)
        return int(sum(lease.amount for lease in parts if lease is not None))

    # --- admission

    def snapshot(self, request: EncodeRequest, ahead: Ahead, line_full: bool, *, give_up: bool = True) -> Snapshot:
        """What admission looks at. `give_up` False: no idle encoder can be had."""
        self.refresh_sessions()
        now = self._parts.clock()
        devices = tuple(self._facts(known, self._loads[known.device.id], now) for known in self.roster)
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

    def _facts(self, known: Known, load: float, now: float) -> DeviceFacts:
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
            load,
        )

    def _free(self, quota: str, known: Known) -> int | None:
        return _whole(self.ledger.quota(quota).free) if known.device.hardware else None


def _whole(amount: float | None) -> int | None:
    return None if amount is None else int(amount)
