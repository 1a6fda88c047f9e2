"""What a pool hands out: loans, and tickets of those who wait for one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


class LoanError(RuntimeError):
    """A mistake of the holder: given back twice, to another pool, or used after it was given back."""


class Evicted(StrEnum):
    """Why a thing is no longer kept."""

    AGED = "aged"  # made too long ago
    UNUSED = "unused"  # idle for too long
    WORN = "worn"  # lent often enough
    ROOM = "room"  # another key needed its place
    FULL = "full"  # as many are idle as may be
    PRESSURE = "pressure"  # the host is short of something
    UNFIT = "unfit"  # it failed its check before it was lent again
    LOST = "lost"  # it died, or its reset failed
    CLOSED = "closed"  # the pool ends


class Loan(Generic[K, R]):
    """One thing in the hands of one holder. `made` and `since` on the pool's clock, `uses` with this one."""

    __slots__ = ("_over", "_resource", "holder", "key", "made", "number", "since", "uses")

    def __init__(self, number: int, key: K, holder: str, now: float) -> None:
        self.number = number
        self.key = key
        self.holder = holder
        self.since = self.made = now
        self.uses = 0
        self._resource: R | None = None
        self._over = False

    @property
    def resource(self) -> R | None:
        """The thing; None: it is to be made. Raises LoanError where the loan is over."""
        if self._over:
            raise LoanError(f"{self} is over: what was lent is not the holder's any more")
        return self._resource

    @property
    def over(self) -> bool:
        """It was given back, or lost."""
        return self._over

    def fill(self, resource: R | None, made: float, uses: int) -> None:
        """For the pool."""
        self._resource, self.made, self.uses = resource, made, uses

    def end(self) -> None:
        """For the pool."""
        self._over, self._resource = True, None

    def __str__(self) -> str:
        return f"loan {self.number} of {self.key!r} to {self.holder}"


@dataclass(frozen=True, slots=True)
class Ticket(Generic[K]):
    """Somebody who waits, until `deadline`."""

    number: int
    key: K
    holder: str
    deadline: float


@dataclass(slots=True)
class Idle(Generic[K, R]):
    """One that waits for the next."""

    number: int
    key: K
    resource: R
    made: float
    uses: int
    since: float
