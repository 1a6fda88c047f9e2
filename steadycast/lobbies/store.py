"""What outlives the host: lobbies, receipts, and facts that were found out (learned caps, trials, calibration)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from steadycast.lobbies.database import Database
from steadycast.model import Receipt
from steadycast.workers.codec import CodecError, from_plain, to_plain

log = structlog.get_logger("store")

RECEIPTS = 10_000  # the oldest go
FACTS = 256  # of a kind; the oldest go
MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class StoredLobby:
    """A lobby as kept: `request` is the JSON of its `LobbySettings`; `declared`: by the config, not by a caller."""

    id: str
    key: str | None
    created: float
    request: str
    declared: bool = False


class Store:
    """`open` first; after `close` nothing works. All calls raise RefusedError `store.*` where the disk fails."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._db = Database(path, max_bytes)

    async def open(self) -> None:
        """Open or make the database; raises ConfigError where it is unusable."""
        await self._db.open()

    async def close(self) -> None:
        """Close it; what was written is on disk."""
        await self._db.close()

    async def add_lobby(self, lobby: StoredLobby) -> None:
        """Keep a lobby. Raises RefusedError `store.full`, `store.failed`; then nothing of it stays."""
        await self._db.write("INSERT INTO lobbies VALUES (?, ?, ?, ?, ?)", _values(lobby))

    async def put_lobby(self, lobby: StoredLobby) -> None:
        """Keep a lobby, in place of the one with the same id. Raises as `add_lobby`."""
        await self._db.write("INSERT OR REPLACE INTO lobbies VALUES (?, ?, ?, ?, ?)", _values(lobby))

    async def remove_lobby(self, id: str) -> None:
        """Forget a lobby."""
        await self._db.write("DELETE FROM lobbies WHERE id = ?", (id,))

    async def lobbies(self) -> tuple[StoredLobby, ...]:
        """All lobbies, oldest first."""
        rows = await self._db.read("SELECT id, key, created, request, declared FROM lobbies ORDER BY created, id")
        return tuple(StoredLobby(id, key, at, text, bool(declared)) for id, key, at, text, declared in rows)

    async def put_fact(self, kind: str, name: str, value: Any) -> None:
        """Keep a fact (plain data, as JSON has it) in place of an older one; at most `FACTS` of a kind."""
        values = kind, name, json.dumps(value), time.time()
        await self._db.write("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", values)
        newest = "SELECT name FROM facts WHERE kind = ? ORDER BY at DESC, rowid DESC LIMIT ?"
        await self._db.write(f"DELETE FROM facts WHERE kind = ? AND name NOT IN ({newest})", (kind, kind, FACTS))

    async def remove_fact(self, kind: str, name: str) -> None:
        """Forget a fact."""
        await self._db.write("DELETE FROM facts WHERE kind = ? AND name = ?", (kind, name))

    async def facts(self, kind: str) -> dict[str, Any]:
        """All facts of a kind by name, the oldest first; what cannot be read is left out."""
        rows = await self._db.read("SELECT name, value FROM facts WHERE kind = ? ORDER BY at, rowid", (kind,))
        found = {}
        for name, text in rows:
            try:
                found[name] = json.loads(text)
            except ValueError as error:
                log.warning("a fact cannot be read and is left out", kind=kind, name=name, why=str(error))
        return found

    async def add_receipt(self, receipt: Receipt) -> None:
        """Keep a receipt, and at most `RECEIPTS` of them."""
        text = json.dumps(to_plain(receipt))
        await self._db.write(
            "INSERT OR IGNORE INTO receipts (id, lobby, receipt) VALUES (?, ?, ?)", (receipt.id, receipt.lobby, text)
        )
        await self._db.write("DELETE FROM receipts WHERE number <= (SELECT max(number) FROM receipts) - ?", (RECEIPTS,))

    async def receipts(self, before: str | None, limit: int, lobby: str | None) -> tuple[Receipt, ...] | None:
        """Newest first, those older than the receipt `before`; None where there is no such receipt."""
        number = 1 << 62
        if before is not None:
            found = await self._db.read("SELECT number FROM receipts WHERE id = ?", (before,))
            if not found:
                return None
            number = int(found[0][0])
        rows = await self._db.read(
            "SELECT receipt FROM receipts WHERE number < ? AND (? IS NULL OR lobby = ?) ORDER BY number DESC LIMIT ?",
            (number, lobby, lobby, limit),
        )
        return tuple(receipt for row in rows if (receipt := _receipt(row[0])) is not None)


def _values(lobby: StoredLobby) -> tuple[object, ...]:
    return lobby.id, lobby.key, lobby.created, lobby.request, int(lobby.declared)


def _receipt(text: str) -> Receipt | None:
    try:
        return from_plain(Receipt, json.loads(text))
    except (ValueError, CodecError) as error:
        log.warning("a receipt of an older version is left out", why=str(error))
        return None
