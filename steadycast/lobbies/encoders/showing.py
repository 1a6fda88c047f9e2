"""What is shown of devices, leases and places in the line."""

from __future__ import annotations

from collections.abc import Mapping

from steadycast.leases.caps import CapOrigin
from steadycast.lobbies.device_views import (
    BeliefView,
    BreakerView,
    DeviceView,
    GpuStatus,
    LeaseView,
    PlaceView,
    SessionView,
    VendorView,
)
from steadycast.lobbies.encoders.admissions import lobby_of
from steadycast.lobbies.encoders.books import Books
from steadycast.lobbies.encoders.outcomes import Outcomes
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.encoders.roster import Known
from steadycast.lobbies.seats import Place
from steadycast.vendors.protocol import Device, DeviceUse, OpenSession

SESSIONS = 256  # foreign sessions of a device that are shown


class Showing:
    """Makes views of the books. Times become Unix seconds here."""

    def __init__(self, parts: EncodersParts, books: Books, outcomes: Outcomes) -> None:
        self._parts = parts
        self._books = books
        self._outcomes = outcomes

    def devices(self) -> tuple[DeviceView, ...]:
        """All devices, in the order of their vendors."""
        self._books.refresh_sessions()
        workers = self._parts.pids_of_workers()
        ours = {*workers, *self._parts.children()}
        return tuple(self._device(known, workers, ours) for known in self._books.roster)

    def leases(self) -> tuple[LeaseView, ...]:
        """Every part of a quota that is lent, the oldest first."""
        devices = {lent.reservation.number: lent.seat.device for lent in self._books.lent}
        return tuple(
            LeaseView(
                quota,
                lease.amount,
                held.holder,
                lobby_of(held.holder),
                devices.get(held.number, held.holder.partition("/")[2]),
                self._at(lease.since),
            )
            for held in self._books.ledger.reservations()
            for quota, lease in held.parts.items()
        )

    def place(self, place: Place) -> PlaceView:
        return PlaceView(
            place.holder,
            lobby_of(place.holder),
            place.position,
            self._at(place.since),
            place.code.value,
            place.why,
            place.promotion,
        )

    def status(self, lobbies: int, sessions: int, waiting: tuple[PlaceView, ...], looked: bool) -> GpuStatus:
        """The answer of `gpu-status`."""
        devices = self.devices()
        hardware = [view for view in devices if view.hardware]
        seen = [view.sessions_seen for view in hardware if view.sessions_seen is not None]
        limits = {view.pool: view.sessions_limit for view in hardware if view.sessions_limit is not None}
        return GpuStatus(
            sum(seen) if seen else None,
            sum(limits.values()) if limits else None,
            bool(self._books.lent.instead()) if looked else None,
            lobbies,
            sessions,
            devices,
            self._books.cpu.view(),
            waiting,
            tuple(VendorView(one.vendor, one.state.value, one.why, one.hint) for one in self._books.roster.reports),
        )

    # --- inside

    def _at(self, monotonic: float) -> float:
        return self._parts.wall() - (self._parts.clock() - monotonic)

    def _device(self, known: Known, workers: Mapping[int, str], ours: set[int]) -> DeviceView:
        device, books = known.device, self._books
        use = known.use or DeviceUse(device.id)
        limit, origin = self._limit(device)
        foreign = _foreign(use, workers, ours)
        return DeviceView(
            id=device.id,
            vendor=device.vendor,
            name=device.name,
            hardware=device.hardware,
            simulated=device.simulated,
            driver=device.driver,
            node=device.node,
            state="none" if device.none_because is not None else known.state.value,
            why=known.why,
            hint=known.hint,
            pool=device.pool,
            sessions_lent=len(books.lent.on(device.id)),
            sessions_seen=_seen(use),
            sessions_foreign=None if foreign is None else len(foreign),
            sessions_limit=limit,
            sessions_limit_origin=origin,
            foreign=() if foreign is None else foreign[:SESSIONS],
            vram_total=use.vram_total,
            vram_used=use.vram_used,
            vram_lent=self._lent(f"vram:{device.id}", known),
            bar1_total=use.bar1_total,
            bar1_used=use.bar1_used,
            encoder_utilisation=use.encoder_utilisation,
            gpu_utilisation=use.gpu_utilisation,
            beliefs=self._beliefs(device.id),
            breaker=self._breaker(device.id),
            last_refusal=self._outcomes.last.get(device.id),
            weight=books.settings.weights.get(device.id, 1.0),
        )

    def _limit(self, device: Device) -> tuple[int | None, str | None]:
        """The session cap and where it comes from; a chip without an encoder has none, whatever its driver says."""
        if not device.hardware:
            return None, None
        if device.none_because is not None:
            return 0, CapOrigin.TABLE.value
        cap = self._books.cap(device.pool)
        return cap.limit, None if cap.origin is None else cap.origin.value

    def _lent(self, quota: str, known: Known) -> int | None:
        if not known.device.hardware or known.last is None or known.last.vram_total is None:
            return None
        return int(self._books.ledger.quota(quota).lent)

    def _beliefs(self, device: str) -> tuple[BeliefView, ...]:
        return tuple(
            BeliefView(
                belief.codec.value,
                belief.state.value,
                belief.element or (None if belief.order is None else next(iter(belief.order.elements), None)),
                belief.why,
                belief.at,
            )
            for belief in self._books.beliefs.of(device)
        )

    def _breaker(self, device: str) -> BreakerView:
        status = self._books.breaker(device).status(self._parts.clock())
        retry = None if status.retry_at is None else self._at(status.retry_at)
        return BreakerView(status.state.value, status.failures, status.trips, status.why, retry)


def _seen(use: DeviceUse) -> int | None:
    return use.session_count if use.sessions is None else len(use.sessions)


def _foreign(use: DeviceUse, workers: Mapping[int, str], ours: set[int]) -> tuple[SessionView, ...] | None:
    """Sessions of other programs; those of unknown processes are shown as theirs."""
    if use.sessions is None:
        return None
    return tuple(_session(one, workers) for one in use.sessions if one.pid is None or one.pid not in ours)


def _session(one: OpenSession, workers: Mapping[int, str]) -> SessionView:
    codec = one.codec and one.codec.value
    lobby = None if one.pid is None else workers.get(one.pid)
    return SessionView(one.pid, one.name, codec, one.width, one.height, lobby)
