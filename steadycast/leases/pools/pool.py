"""The pool: who has what, what is kept for the next, what has to go. Pure; `now` in seconds of a monotonic clock."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from typing import Generic

from steadycast.leases.pools.bounds import Bounds, Pressure
from steadycast.leases.pools.loans import Evicted, Idle, K, Loan, LoanError, R, Ticket
from steadycast.leases.pools.statistics import PoolStatistics
from steadycast.leases.pools.worth import Worth


class Pool(Generic[K, R]):
    """Things of one kind, told apart by keys: only one of the same key is lent again.

    `take` answers with a loan, or None: refused. Where `loan.resource` is None the holder makes the thing and says
    `made`, or `failed`. Where it is not, the holder checks it, and says `unfit` where it is no good: that answers as
    `take` does. After use it is reset and given back with `give_back`, or it is `lose`d. Whoever may wait says `wait`
    and is among those of `serve` when it is time, or late. After each call what `ended` lists is to be ended by the
    caller: it is not in the pool any more.

    Things may be made in advance (`stock`), and leave with their holder for good (`part`).
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._pressure = Pressure.LOW
        self._numbers = itertools.count(1)
        self._lent: dict[int, Loan[K, R]] = {}
        self._idle: dict[int, Idle[K, R]] = {}  # in the order in which they were given back
        self._waiting: deque[Ticket[K]] = deque()
        self._ended: list[R] = []
        self._worth: Worth[K] = Worth(4 * bounds.keys)
        self._counts: Counter[str] = Counter()
        self._evicted: Counter[Evicted] = Counter()
        self._high_water = 0
        self._closed = False

    def take(self, key: K, holder: str, now: float, *, make: bool = True, only: R | None = None) -> Loan[K, R] | None:
        """A loan now, or None: all are lent, somebody waits already, the pool is closed; or, where the holder would not
        `make` one, none is idle. `only`: no other thing will do."""
        self.prune(now)
        loan = None if self._waiting else self._lend(key, holder, now, make, only)
        if loan is None:
            self._counts["refused" if make else "missed"] += 1
        return loan

    def stock(self, key: K, resource: R, now: float) -> bool:
        """A thing that was made in advance. False: there is no room to keep it, it stays with the caller."""
        self.prune(now)
        total = self._bounds.total_at(self._pressure)
        full = len(self._idle) >= self._bounds.idle_at(self._pressure) or len(self._lent) + len(self._idle) >= total
        if self._closed or full or len({key, *(one.key for one in self._idle.values())}) > self._bounds.keys:
            return False
        number = next(self._numbers)
        self._idle[number] = Idle(number, key, resource, now, 0, now)
        self._counts["created"] += 1
        self._counts["stocked"] += 1
        self._high_water = max(self._high_water, len(self._lent) + len(self._idle))
        return True

    def part(self, loan: Loan[K, R], now: float) -> None:
        """The thing is its holder's for good, and its place is free."""
        if loan.resource is None:
            raise LoanError(f"{loan} has no thing to keep")
        self._close(loan)
        self._counts["parted"] += 1
        self.prune(now)

    def made(self, loan: Loan[K, R], resource: R, now: float) -> None:
        """The thing that was to be made for this loan is there."""
        self._mine(loan)
        if loan.resource is not None:
            raise LoanError(f"{loan} has a thing already")
        loan.fill(resource, now, 1)
        self._counts["created"] += 1

    def failed(self, loan: Loan[K, R], now: float) -> None:
        """It could not be made: its place is free again."""
        self._close(loan)
        self._counts["failed"] += 1
        self.prune(now)

    def unfit(self, loan: Loan[K, R], now: float, *, make: bool = True) -> Loan[K, R] | None:
        """What was lent again is no good: another loan for the same holder, with the next thing or none. Ends, as each
        call takes one that was idle."""
        if loan.resource is None:
            raise LoanError(f"{loan} has no thing that could be unfit")
        self._counts["reused"] -= 1
        self._end(loan, Evicted.UNFIT)
        loan_again = self._lend(loan.key, loan.holder, now, make)
        if loan_again is None:
            self._counts["refused" if make else "missed"] += 1
        return loan_again

    def give_back(self, loan: Loan[K, R], now: float) -> bool:
        """The holder is done, and the thing is as new. Answers whether it is kept."""
        resource = self._mine(loan).resource
        if resource is None:
            raise LoanError(f"{loan} has no thing: it failed, or was not made yet")
        why = self._too_much(loan, now)
        if why is not None:
            self._end(loan, why)
        else:
            self._close(loan)
            self._idle[loan.number] = Idle(loan.number, loan.key, resource, loan.made, loan.uses, now)
        self.prune(now)
        return loan.number in self._idle

    def lose(self, loan: Loan[K, R], now: float) -> None:
        """The thing died in the holder's hands, or could not be reset. It is ended like all others."""
        if loan.resource is None:
            raise LoanError(f"{loan} has no thing: say `failed`")
        self._end(loan, Evicted.LOST)
        self.prune(now)

    def lost(self, resource: R, now: float, why: Evicted = Evicted.LOST) -> bool:
        """An idle one died, or its owner ends it. False where it is not idle here."""
        found = next((one for one in self._idle.values() if one.resource is resource), None)
        if found is not None:
            self._evict(found, why)
        self.prune(now)
        return found is not None

    def wait(self, key: K, holder: str, now: float, deadline: float) -> Ticket[K] | None:
        """A place in the line until `deadline`, or None: as many wait as may, or the pool is closed. Ask `serve`."""
        if self._closed or len(self._waiting) >= self._bounds.waiting or self._bounds.total == 0:
            self._counts["refused"] += 1
            return None
        ticket = Ticket(next(self._numbers), key, holder, deadline)
        self._waiting.append(ticket)
        return ticket

    def leave(self, ticket: Ticket[K]) -> bool:
        """Somebody waits no more. False where it was served, or is late."""
        if ticket not in self._waiting:
            return False
        self._waiting.remove(ticket)
        return True

    def serve(self, now: float) -> list[tuple[Ticket[K], Loan[K, R] | None]]:
        """Whose turn it is, in the order in which they came; None: the deadline is over, or the pool closed."""
        self.prune(now)
        served: list[tuple[Ticket[K], Loan[K, R] | None]] = []
        for ticket in [one for one in self._waiting if self._closed or one.deadline <= now]:
            self._waiting.remove(ticket)
            self._counts["expired"] += 1
            served.append((ticket, None))
        while self._waiting:
            loan = self._lend(self._waiting[0].key, self._waiting[0].holder, now, True)
            if loan is None:
                break
            served.append((self._waiting.popleft(), loan))
        return served

    def press(self, pressure: Pressure, now: float) -> None:
        """How short the host is from now on."""
        self._pressure = pressure
        self.prune(now)

    def prune(self, now: float) -> None:
        """What is too old, unused for too long or too much goes."""
        bounds = self._bounds
        for one in list(self._idle.values()):
            if bounds.age_s is not None and now - one.made >= bounds.age_s:
                self._evict(one, Evicted.AGED)
            elif bounds.idle_s is not None and now - one.since >= bounds.idle_s:
                self._evict(one, Evicted.UNUSED)
        why = Evicted.PRESSURE if self._pressure else Evicted.FULL
        room = bounds.total_at(self._pressure) - len(self._lent)
        self._shrink(max(0, min(bounds.idle_at(self._pressure), room)), why, now)
        while len({one.key for one in self._idle.values()}) > bounds.keys:
            self._evict(self._least(now), Evicted.ROOM)

    def close(self, now: float) -> None:
        """Nothing is lent any more, and nothing kept; loans may still be given back."""
        self._closed = True
        self._shrink(0, Evicted.CLOSED, now)

    def ended(self) -> list[R]:
        """What is to be ended, since this was asked last."""
        ended, self._ended = self._ended, []
        return ended

    def holders(self) -> dict[int, str]:
        """Who has a loan, by its number."""
        return {number: loan.holder for number, loan in self._lent.items()}

    def next_change(self) -> float | None:
        """When time alone changes something (a deadline, an age); None: never."""
        bounds = self._bounds
        times = [ticket.deadline for ticket in self._waiting]
        times += [one.made + bounds.age_s for one in self._idle.values() if bounds.age_s is not None]
        times += [one.since + bounds.idle_s for one in self._idle.values() if bounds.idle_s is not None]
        return min(times, default=None)

    def statistics(self) -> PoolStatistics:
        """Now, and since it was made."""
        counts = self._counts
        return PoolStatistics(
            total=self._bounds.total_at(self._pressure),
            keeps=self._bounds.idle_at(self._pressure),
            lent=len(self._lent),
            idle=len(self._idle),
            waiting=len(self._waiting),
            keys=len({one.key for one in self._idle.values()}),
            pressure=int(self._pressure),
            high_water=self._high_water,
            created=counts["created"],
            stocked=counts["stocked"],
            parted=counts["parted"],
            reused=counts["reused"],
            failed=counts["failed"],
            refused=counts["refused"],
            missed=counts["missed"],
            expired=counts["expired"],
            evicted={why.value: count for why, count in self._evicted.items()},
        )

    def _lend(self, key: K, holder: str, now: float, make: bool, only: R | None = None) -> Loan[K, R] | None:
        """The newest idle one of this key, or a place for a new one."""
        if self._closed:
            return None
        fits = (one for one in reversed(self._idle.values()) if one.key == key and only in (None, one.resource))
        found = next(fits, None)
        if found is None and not (make and self._has_room(now)):
            return None
        self._worth.used(key, now)
        loan: Loan[K, R] = Loan(next(self._numbers), key, holder, now)
        if found is not None:
            del self._idle[found.number]
            loan.fill(found.resource, found.made, found.uses + 1)
            self._counts["reused"] += 1
        self._lent[loan.number] = loan
        self._high_water = max(self._high_water, len(self._lent) + len(self._idle))
        return loan

    def _has_room(self, now: float) -> bool:
        total = self._bounds.total_at(self._pressure)
        if len(self._lent) >= total:
            return False
        if len(self._lent) + len(self._idle) >= total:
            self._evict(self._least(now), Evicted.ROOM)
        return True

    def _least(self, now: float) -> Idle[K, R]:
        """The one that is worth least: of a key that is seldom wanted, or has more of them; the oldest of equals."""
        many = Counter(one.key for one in self._idle.values())
        return min(self._idle.values(), key=lambda one: (self._worth.of(one.key, now) / many[one.key], one.since))

    def _shrink(self, to: int, why: Evicted, now: float) -> None:
        while len(self._idle) > to:
            self._evict(self._least(now), why)

    def _too_much(self, loan: Loan[K, R], now: float) -> Evicted | None:
        """Why what is given back cannot be kept, whatever else is there."""
        bounds = self._bounds
        if self._closed:
            return Evicted.CLOSED
        if bounds.uses is not None and loan.uses >= bounds.uses:
            return Evicted.WORN
        if bounds.age_s is not None and now - loan.made >= bounds.age_s:
            return Evicted.AGED
        if bounds.idle_at(self._pressure) == 0:
            return Evicted.PRESSURE if self._pressure else Evicted.FULL
        return None

    def _mine(self, loan: Loan[K, R]) -> Loan[K, R]:
        if loan.over:
            raise LoanError(f"{loan} is over already: it was given back twice")
        if self._lent.get(loan.number) is not loan:
            raise LoanError(f"{loan} is of another pool")
        return loan

    def _close(self, loan: Loan[K, R]) -> None:
        del self._lent[self._mine(loan).number]
        loan.end()

    def _end(self, loan: Loan[K, R], why: Evicted) -> None:
        resource = self._mine(loan).resource
        self._close(loan)
        self._evicted[why] += 1
        if resource is not None:
            self._leave_to_caller(resource)

    def _evict(self, one: Idle[K, R], why: Evicted) -> None:
        del self._idle[one.number]
        self._evicted[why] += 1
        self._leave_to_caller(one.resource)

    def _leave_to_caller(self, resource: R) -> None:
        self._ended.append(resource)
        if len(self._ended) > 2 * self._bounds.total + 1:
            raise LoanError("things were evicted that nobody ends: ask `ended` after each call")
