"""All quotas by name, and reservations over several of them at once: all or nothing. Pure; the time is an argument."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from steadycast.leases.quota import Lease, LeaseError, Quota, QuotaStatistics

MOST_QUOTAS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """What one holder has of several quotas, reserved before anything is built. `parts`: the lease by quota name."""

    number: int
    holder: str
    since: float
    parts: Mapping[str, Lease]


@dataclass(frozen=True, slots=True)
class LedgerStatistics:
    """The books now, and totals since they were opened."""

    quotas: tuple[QuotaStatistics, ...]
    reservations: int
    reserved_total: int
    refused_total: int
    returned_total: int


class Ledger:
    """Names: `sessions:<pool>`, `vram:<device>`, `bar1:<device>` (bytes), `cpu` (H.264 pixels a second).

    A quota is made at its first use, without a limit. A fault of the program that makes up names ends at
    `MOST_QUOTAS` with a LeaseError.
    """

    def __init__(self, most_quotas: int = MOST_QUOTAS) -> None:
        self._most = most_quotas
        self._quotas: dict[str, Quota] = {}
        self._held: dict[int, Reservation] = {}
        self._numbers = itertools.count(1)
        self._reserved = 0
        self._refused = 0
        self._returned = 0

    def quota(self, name: str) -> Quota:
        """The quota of that name. Raises LeaseError beyond the bound."""
        quota = self._quotas.get(name)
        if quota is None:
            if len(self._quotas) >= self._most:
                raise LeaseError(f"{name}: there are {self._most} quotas already")
            quota = self._quotas[name] = Quota(name, None)
        return quota

    def keep(self, names: Collection[str]) -> None:
        """Forget all quotas but these and those that are lent: devices come and go."""
        gone = [name for name, quota in self._quotas.items() if name not in names and not quota.holders()]
        for name in gone:
            del self._quotas[name]

    def reserve(self, holder: str, wants: Mapping[str, float], now: float) -> Reservation | None:
        """All of `wants` (amount by quota name), or None and nothing is taken. Raises LeaseError for no wants."""
        if not wants:
            raise LeaseError(f"{holder!r} reserves nothing")
        parts: dict[str, Lease] = {}
        try:
            for name, amount in wants.items():
                lease = self.quota(name).take(holder, now, amount)
                if lease is None:
                    break
                parts[name] = lease
        finally:
            if len(parts) < len(wants):
                for name, lease in parts.items():
                    self._quotas[name].give_back(lease)
        if len(parts) < len(wants):
            self._refused += 1
            return None
        return self._kept(Reservation(next(self._numbers), holder, now, parts))

    def bear(self, holder: str, has: Mapping[str, float], now: float) -> Reservation:
        """All that somebody has already, whatever the limits are; there may be nothing yet (see `bear_more`)."""
        parts = {name: self.quota(name).bear(holder, now, amount) for name, amount in has.items()}
        return self._kept(Reservation(next(self._numbers), holder, now, parts))

    def bear_more(self, reservation: Reservation, has: Mapping[str, float], now: float) -> Reservation:
        """The same with more parts, which takes its place. Raises LeaseError where it is not held here (any more)."""
        if self._held.get(reservation.number) is not reservation:
            raise LeaseError(f"the reservation of {reservation.holder!r} is not held here")
        more = {n: self.quota(n).bear(reservation.holder, now, has[n]) for n in has if n not in reservation.parts}
        grown = self._held[reservation.number] = replace(reservation, parts={**reservation.parts, **more})
        return grown

    def give_back(self, reservation: Reservation) -> None:
        """Return all parts, once: raises LeaseError where it is not held here (any more)."""
        if self._held.get(reservation.number) is not reservation:
            raise LeaseError(f"the reservation of {reservation.holder!r} is not held here")
        del self._held[reservation.number]
        self._returned += 1
        for name, lease in reservation.parts.items():
            self._quotas[name].give_back(lease)

    def _kept(self, reservation: Reservation) -> Reservation:
        self._held[reservation.number] = reservation
        self._reserved += 1
        return reservation

    def reservations(self) -> tuple[Reservation, ...]:
        """All that are held, oldest first."""
        return tuple(self._held.values())

    def statistics(self) -> LedgerStatistics:
        """All quotas in the order of their first use, and counters."""
        quotas = tuple(quota.statistics() for quota in self._quotas.values())
        return LedgerStatistics(quotas, len(self._held), self._reserved, self._refused, self._returned)
