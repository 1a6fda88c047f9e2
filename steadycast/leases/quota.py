"""A limit that is counted by its holders: who holds a place, since when. Pure; the time is an argument."""

from __future__ import annotations

import itertools
from dataclasses import dataclass


class LeaseError(AssertionError):
    """A lease was given back twice, or to a quota that never lent it: a fault of the program."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A place of a quota: who holds it and since when (seconds, the clock of the caller)."""

    number: int
    holder: str
    since: float


@dataclass(frozen=True, slots=True)
class QuotaStatistics:
    """A quota now, and totals since it was made."""

    name: str
    limit: int
    held: int
    lent_total: int
    refused_total: int


class Quota:
    """Lends up to `limit` places."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self._numbers = itertools.count(1)
        self._held: dict[int, Lease] = {}
        self._lent = 0
        self._refused = 0

    def take(self, holder: str, now: float) -> Lease | None:
        """A place for `holder`; None when all are lent."""
        if len(self._held) >= self.limit:
            self._refused += 1
            return None
        lease = Lease(next(self._numbers), holder, now)
        self._held[lease.number] = lease
        self._lent += 1
        return lease

    def give_back(self, lease: Lease) -> None:
        """Return a place; raises LeaseError where it is not held here (any more)."""
        if self._held.get(lease.number) is not lease:
            raise LeaseError(f"{self.name}: the lease of {lease.holder!r} is not held here")
        del self._held[lease.number]

    def holders(self) -> tuple[Lease, ...]:
        """All leases, oldest first."""
        return tuple(self._held.values())

    def statistics(self) -> QuotaStatistics:
        """Counters."""
        return QuotaStatistics(self.name, self.limit, len(self._held), self._lent, self._refused)
