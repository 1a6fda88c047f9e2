"""The lobbies that are there: by id and by key, in the order of creation, each with its place in the quota."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from steadycast.errors import NotFoundError, RefusedError, SteadycastError
from steadycast.leases.quota import Lease, Quota
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.views import Deleted


@dataclass(eq=False)
class Entry:
    """A lobby, its place in the quota, and its end once somebody asked for it; `changing` is held while its request
    changes. `removal` from the store is there once a caller deleted it."""

    lobby: Lobby
    lease: Lease
    ending: asyncio.Task[Deleted] | None = None
    removal: asyncio.Task[SteadycastError | None] | None = None
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Entries:
    """All of them; at most `limit`, but for those that are there already when a host starts (`bear`)."""

    def __init__(self, limit: int) -> None:
        self._by_id: dict[str, Entry] = {}
        self._by_key: dict[str, Entry] = {}
        self._quota = Quota("lobbies", limit)

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, id_or_key: str) -> Entry:
        """By id or key. Raises NotFoundError `lobby.unknown`."""
        entry = self._by_id.get(id_or_key) or self._by_key.get(id_or_key)
        if entry is None:
            raise NotFoundError("lobby.unknown", f"There is no lobby {id_or_key[:100]!r}.", hint="See /api/v1/lobbies.")
        return entry

    def of_id(self, id: str) -> Lobby | None:
        """The lobby with this id."""
        entry = self._by_id.get(id)
        return None if entry is None else entry.lobby

    def of_key(self, key: str | None) -> Entry | None:
        """The one with this key."""
        return None if key is None else self._by_key.get(key)

    def lobby(self, id_or_key: str) -> Lobby:
        """As `find`."""
        return self.find(id_or_key).lobby

    def lobbies(self) -> Iterator[Lobby]:
        """All lobbies."""
        return (entry.lobby for entry in self)

    def admit(self, id: str) -> Lease:
        """A place for one more. Raises RefusedError `limit.lobbies`."""
        lease = self._quota.take(id, time.time())
        if lease is None:
            why = f"There are {self._quota.limit} already (`limits.lobbies`)."
            hint = "Delete one, or raise the limit."
            raise RefusedError("limit.lobbies", "Too many lobbies.", why=why, hint=hint, retry_after=30)
        return lease

    def bear(self, id: str) -> Lease:
        """The place of one that was there before this host, however many there are."""
        return self._quota.bear(id, time.time())

    def resize(self, limit: int) -> None:
        """Another limit; those that are there stay."""
        self._quota.resize(limit)

    def give_back(self, lease: Lease) -> None:
        """A place that came to nothing."""
        self._quota.give_back(lease)

    def add(self, lobby: Lobby, lease: Lease) -> Entry:
        """It is there from now on."""
        entry = self._by_id[lobby.id] = Entry(lobby, lease)
        if lobby.request.key is not None:
            self._by_key[lobby.request.key] = entry
        return entry

    def remove(self, entry: Entry) -> None:
        """It is gone."""
        del self._by_id[entry.lobby.id]
        if entry.lobby.request.key is not None:
            del self._by_key[entry.lobby.request.key]
        self._quota.give_back(entry.lease)
