"""Those who wait for an encoder: the line, with what each of them asked for and when its time is over."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from steadycast.leases.decisions import Denial, Deny, EncodeRequest, Queue
from steadycast.leases.line import Entry, Line
from steadycast.lobbies.seats import Place, Seat
from steadycast.model import HardwareUse, WhenFull

DEADLINES = 4096  # of those who came back after a device refused them; the oldest is forgotten


@dataclass(eq=False)
class Waiter:
    """Somebody in the line. `key` is its name there. `promised`: an idle encoder is being closed for it."""

    key: str
    entry: Entry
    request: EncodeRequest
    seat: asyncio.Future[Seat]
    why: Queue
    promised: bool = False


class Waiters:
    """In the order in which they are served. `wait_s`: how long each may wait in all, however often a device that it
    was given refuses it."""

    def __init__(self, length: int, wait_s: float) -> None:
        self._wait_s = wait_s
        self._numbers = itertools.count(1)
        self._line = Line(length)
        self._by_key: dict[str, Waiter] = {}
        self._deadlines: dict[str, tuple[float, float]] = {}  # by holder: since when it asks, and until when it waits
        self.left: Counter[str] = Counter(served=0, timeout=0, left=0)
        self.waited_s = 0.0

    def __len__(self) -> int:
        return len(self._line)

    def __iter__(self) -> Iterator[Waiter]:
        """The next one first; who leaves meanwhile may still come."""
        return (self._by_key[entry.holder] for entry in self._line.order())

    def __contains__(self, waiter: Waiter) -> bool:
        return self._by_key.get(waiter.key) is waiter

    @property
    def full(self) -> bool:
        """Whether a newcomer is refused."""
        return self._line.full

    def join(self, request: EncodeRequest, why: Queue, now: float) -> Waiter | None:
        """Stand in the line; None where it is full. Several may wait under one holder."""
        holder = request.holder
        key = holder if holder not in self._by_key else f"{holder}#{next(self._numbers)}"
        entry = self._line.join(key, request.since, request.priority, self._deadline(request, now))
        if entry is None:
            return None
        seat: asyncio.Future[Seat] = asyncio.get_running_loop().create_future()
        waiter = self._by_key[key] = Waiter(key, entry, request, seat, why)
        return waiter

    def leave(self, waiter: Waiter, how: str, now: float) -> None:
        """It was served, waits no more, or its time is over."""
        self._line.leave(waiter.key)
        del self._by_key[waiter.key]
        self.left[how] += 1
        self.waited_s += max(0.0, now - waiter.entry.since)

    def late(self, now: float) -> tuple[Waiter, ...]:
        """Those whose time is over."""
        return tuple(self._by_key[entry.holder] for entry in self._line.late(now))

    def next_deadline(self) -> float | None:
        """When `late` has somebody to name."""
        return self._line.next_deadline()

    def position(self, waiter: Waiter) -> int:
        """1 is next."""
        return self._line.position(waiter.key) or 1

    def before(self, request: EncodeRequest) -> Iterator[Waiter]:
        """Those who stand before this request, or would if it joined."""
        number = self._line.ahead(request.since, request.priority) if self._by_key else 0
        return itertools.islice(iter(self), number)

    def places(self) -> Iterator[Place]:
        """The line, the next one first."""
        for position, one in enumerate(self, 1):
            yield Place(one.request.holder, position, one.entry.since, one.why.code, one.why.why)

    def _deadline(self, request: EncodeRequest, now: float) -> float:
        since, deadline = self._deadlines.pop(request.holder, (request.since, now + self._wait_s))
        if since != request.since:  # it asks for something new
            deadline = now + self._wait_s
        self._deadlines[request.holder] = request.since, deadline
        if len(self._deadlines) > DEADLINES:
            del self._deadlines[next(iter(self._deadlines))]
        return deadline


def takes_software(request: EncodeRequest) -> bool:
    """Whether somebody who asks for this need not wait for hardware."""
    return request.hardware is HardwareUse.PREFER and request.when_full is WhenFull.FALLBACK


def needs_cpu(waiter: Waiter) -> bool:
    """Whether it only waits because the CPU has no room."""
    return takes_software(waiter.request) and lacks_cpu(waiter.why)


def lacks_cpu(decision: object) -> bool:
    """Whether room on the CPU would have given a seat, or given it at once."""
    return isinstance(decision, Queue | Deny) and any(step.code == Denial.CPU_BUDGET for step in decision.trail)
