"""What happened, in order: a bounded ring with ids that rise by one, and bounded queues for those who listen."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from steadycast.errors import RefusedError
from steadycast.lobbies.views import Event

RING = 2048
QUEUE = 512
SUBSCRIBERS = 256


def first_id(now: float) -> int:
    """The first id of a run that begins at `now`, Unix seconds: its milliseconds. Less than 1000 events a second in all
    of a run keep the next one's ids above. Exact in clients that read JSON numbers as doubles (below 2^53)."""
    return int(now * 1000)


class Subscription:
    """One listener: iterate over it; leave the `async with` to end it.

    Iteration ends when the listener is dropped because it did not keep up (`dropped`), or when the host closes.
    A dropped listener may come back with the id of the last event it saw.
    """

    def __init__(self, log: EventLog, backlog: list[Event], inside: bool = False) -> None:
        self._log = log
        self.inside = inside  # it is a part of this host
        self._queue: deque[Event] = deque(backlog)
        self._wake = asyncio.Event()
        self._ended = False
        self.dropped = False
        self.missed = False  # events between the asked id and the oldest one kept are lost

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._log.forget(self)

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._queue:
            if self._ended:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._queue.popleft()

    def put(self, event: Event) -> bool:
        """Queue an event; False when the listener is too slow and is dropped."""
        if len(self._queue) >= QUEUE:
            self.dropped = True
            self._queue.clear()
            self.end()
            return False
        self._queue.append(event)
        self._wake.set()
        return True

    def end(self) -> None:
        """No more events will come."""
        self._ended = True
        self._wake.set()


class EventLog:
    """The host's events. Publishing never waits.

    Ids begin with `first`. A host begins where no run before it came to (`first_id`): else a listener that comes back
    after a restart with a small id would take it for one of this run, and not hear of what happened before it.
    """

    def __init__(self, clock: Callable[[], float] = time.time, first: int = 1) -> None:
        self._clock = clock
        self._first = first
        self._ring: deque[Event] = deque(maxlen=RING)
        self._next = first
        self._listeners: set[Subscription] = set()
        self.dropped_total = 0

    @property
    def total(self) -> int:
        """How many events there were."""
        return self._next - self._first

    @property
    def listeners(self) -> int:
        """How many listen now; the host itself does not count."""
        return sum(not one.inside for one in self._listeners)

    def publish(
        self,
        kind: str,
        name: str,
        *,
        lobby: str | None = None,
        viewer: str | None = None,
        why: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> Event:
        """Keep an event and pass it to everybody who listens."""
        event = Event(self._next, self._clock(), kind, name, lobby, viewer, why, data or {})
        self._next += 1
        self._ring.append(event)
        for listener in tuple(self._listeners):
            if not listener.put(event):
                self._listeners.discard(listener)
                self.dropped_total += 1
        return event

    def subscribe(self, after: int | None = None, *, inside: bool = False) -> Subscription:
        """Listen to all events after id `after` that are still kept, then to new ones; None: only new ones.

        Raises RefusedError when too many listen. An `after` that was never given out (0, or of another run of the
        host) is taken as the beginning: everything kept.
        """
        if not inside and self.listeners >= SUBSCRIBERS:
            raise RefusedError(
                "events.full", "Too many listeners.", why=f"{SUBSCRIBERS} listen already.", retry_after=5
            )
        begin, last = self._first - 1, self._next - 1
        start = last if after is None else after if begin <= after <= last else begin
        backlog = [event for event in self._ring if event.id > start]
        subscription = Subscription(self, backlog[-QUEUE:], inside)
        oldest = self._next - min(len(backlog), QUEUE)
        subscription.missed = start + 1 < oldest
        self._listeners.add(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """A listener left."""
        self._listeners.discard(subscription)
        subscription.end()

    def close(self) -> None:
        """End all listeners after what they still have queued."""
        for listener in tuple(self._listeners):
            self.forget(listener)
