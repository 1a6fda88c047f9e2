"""Places for those who watch: how many there may be, and what each keeps open."""

from __future__ import annotations

import time
from collections.abc import Callable

from steadycast.errors import RefusedError
from steadycast.leases.decisions import Denial
from steadycast.leases.quota import Quota
from steadycast.lobbies.choose import Choice
from steadycast.lobbies.egress import Egress
from steadycast.lobbies.holds import Hold
from steadycast.lobbies.lobby import Lobby


class Places:
    """All of them; `limit` says how many there may be now."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._quota = Quota("viewers", limit())
        self._holds: dict[str, Hold] = {}

    def limit_changed(self) -> None:
        """Count with the limit of now; who has a place keeps it."""
        self._quota.resize(self._limit())

    def all(self) -> tuple[Hold, ...]:
        """All that is held, oldest first."""
        return tuple(self._holds.values())

    def get(self, name: str) -> Hold | None:
        """One of them."""
        return self._holds.get(name)

    def take(self, name: str, lobby: Lobby, egress: Egress) -> Hold:
        """A place for one more; raises RefusedError."""
        lease = self._quota.take(name, time.time())
        if lease is None:
            why = f"{self._limit()} watch already (`limits.viewers`)."
            raise RefusedError(Denial.VIEWERS, "Too many viewers.", why=why, retry_after=5)
        return self._taken(Hold(name, lobby, egress, lease))

    def bear(self, name: str, lobby: Lobby, egress: Egress, choice: Choice) -> Hold:
        """The place of somebody who watches already, however many there may be; he holds the tracks of his choice."""
        hold = self._taken(Hold(name, lobby, egress, self._quota.bear(name, time.time()), choice))
        lobby.feeds.held(name, choice, egress)
        return hold

    def give_back(self, hold: Hold) -> None:
        """Return a place and let go of its tracks; harmless where that was done."""
        if self._holds.get(hold.name) is hold:
            del self._holds[hold.name]
            hold.egress.viewers -= 1
            self._quota.give_back(hold.lease)
            hold.lobby.feeds.release(hold.name)

    def _taken(self, hold: Hold) -> Hold:
        self._holds[hold.name] = hold
        hold.egress.viewers += 1
        return hold
