"""A limit that is counted by its holders: who holds how much, since when. Pure; the time is an argument."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass


class LeaseError(AssertionError):
    """A lease was given back twice, or to a quota that never lent it: a fault of the program."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A part of a quota: who holds it, since when (seconds, the clock of the caller) and how much."""

    number: int
    holder: str
    since: float
    amount: float = 1.0


@dataclass(frozen=True, slots=True)
class QuotaStatistics:
    """A quota now, and totals since it was made. `limit` is None where none is known; `occupied` is used by others."""

    name: str
    limit: float | None
    held: int
    lent_total: int
    refused_total: int
    lent: float = 0.0
    occupied: float = 0.0


class Quota:
    """Lends up to `limit` of something, all of it while no limit is known (None).

    The limit may shrink below what is lent: then nothing is given until enough came back. Amounts are exact up to 2**53
    if they are whole numbers (places, bytes, pixels a second), which is what admission asks for.
    """

    def __init__(self, name: str, limit: float | None) -> None:
        self.name = name
        self._limit = _checked_limit(name, limit)
        self._occupied = 0.0
        self._amount = 0.0
        self._numbers = itertools.count(1)
        self._held: dict[int, Lease] = {}
        self._lent_total = 0
        self._refused = 0

    @property
    def limit(self) -> float | None:
        """What there is of it; None: not known."""
        return self._limit

    @property
    def lent(self) -> float:
        """The sum of all leases."""
        return self._amount

    @property
    def free(self) -> float | None:
        """What `take` would give, never below 0; None: no limit is known."""
        if self._limit is None:
            return None
        return max(0.0, self._limit - self._occupied - self._amount)

    def take(self, holder: str, now: float, amount: float = 1.0) -> Lease | None:
        """So much for `holder`; None when less is free. Raises LeaseError for an amount that is not above 0."""
        free = self.free
        if free is not None and 0 < amount < math.inf and amount > free:
            self._refused += 1
            return None
        return self.bear(holder, now, amount)

    def bear(self, holder: str, now: float, amount: float = 1.0) -> Lease:
        """So much for somebody who has it already, whatever the limit is. Raises LeaseError as `take`."""
        if not (0 < amount < math.inf):
            raise LeaseError(f"{self.name}: {holder!r} asks for {amount}")
        lease = Lease(next(self._numbers), holder, now, amount)
        self._held[lease.number] = lease
        self._amount += amount
        self._lent_total += 1
        return lease

    def give_back(self, lease: Lease) -> None:
        """Return a lease; raises LeaseError where it is not held here (any more)."""
        if self._held.get(lease.number) is not lease:
            raise LeaseError(f"{self.name}: the lease of {lease.holder!r} is not held here")
        del self._held[lease.number]
        self._amount = self._amount - lease.amount if self._held else 0.0

    def resize(self, limit: float | None) -> None:
        """Another limit, also one below what is lent. Raises ValueError for a negative one."""
        self._limit = _checked_limit(self.name, limit)

    def occupy(self, amount: float) -> None:
        """Others use so much of it now (not so much more). Raises ValueError for a negative amount."""
        if not (0 <= amount < math.inf):
            raise ValueError(f"{self.name}: others cannot use {amount}")
        self._occupied = amount

    def holders(self) -> tuple[Lease, ...]:
        """All leases, oldest first."""
        return tuple(self._held.values())

    def statistics(self) -> QuotaStatistics:
        """Counters."""
        held = len(self._held)
        return QuotaStatistics(
            self.name, self._limit, held, self._lent_total, self._refused, self._amount, self._occupied
        )


def _checked_limit(name: str, limit: float | None) -> float | None:
    if limit is not None and not (0 <= limit < math.inf):
        raise ValueError(f"{name}: {limit} is no limit")
    return limit
