"""What outlives the host: lobbies, receipts, and facts that were found out (learned caps, trials, calibration)."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from steadycast.lobbies.database import DEADLINE_S, Database, Statement, Undo
from steadycast.model import Receipt, Subject
from steadycast.workers.codec import CodecError, from_plain, to_plain

log = structlog.get_logger("store")

RECEIPTS = 10_000  # of a subject; the oldest go
SPARE = 100  # part of them that may be more before the oldest go: counting costs more than keeping
FACTS = 256  # of a kind; the oldest go
MAX_BYTES = 1 << 30
FOR_REMOVALS = 1 << 19  # bytes of what is kept for a full disk that receipts leave for deletions
COLUMNS = "id, key, created, request, declared"  # of a lobby


@dataclass(frozen=True, slots=True)
class StoredLobby:
    """A lobby as kept: `request` is the JSON of its `LobbySettings`; `declared`: by the config, not by a caller."""

    id: str
    key: str | None
    created: float
    request: str
    declared: bool = False


@dataclass(frozen=True, slots=True)
class ReceiptFilter:
    """Which receipts are wanted; None: whatever it is. `lobby` and `worker` are ids, of which nothing may be left."""

    lobby: str | None = None
    subject: Subject | None = None
    clean: bool | None = None
    worker: str | None = None


class Store:
    """`open` first; after `close` nothing works. All calls raise RefusedError `store.*` where the disk fails."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, deadline_s: float = DEADLINE_S) -> None:
        self._db = Database(path, max_bytes, deadline_s)
        self._added: Counter[Subject] = Counter()  # receipts since the oldest went

    async def open(self) -> None:
        """Open or make the database; raises ConfigError where it is unusable."""
        await self._db.open()

    async def close(self) -> None:
        """Close it; what was written is on disk."""
        await self._db.close()

    async def add_lobby(self, lobby: StoredLobby) -> None:
        """Keep a lobby. Raises RefusedError `store.full`, `store.failed`, DeadlineError; then nothing of it stays."""
        await self._write_lobby("INSERT INTO lobbies VALUES (?, ?, ?, ?, ?)", _values(lobby), lobby.id, lobby.key)

    async def put_lobby(self, lobby: StoredLobby) -> None:
        """Keep a lobby, in place of the one with the same id. Raises as `add_lobby`; then all is as it was."""
        statement = "INSERT OR REPLACE INTO lobbies VALUES (?, ?, ?, ?, ?)"
        await self._write_lobby(statement, _values(lobby), lobby.id, lobby.key)

    async def change_lobby(self, id: str, request: str) -> None:
        """Keep another request of a lobby; one that was forgotten meanwhile stays so. Raises as `put_lobby`."""
        await self._write_lobby("UPDATE lobbies SET request = ? WHERE id = ?", (request, id), id, None)

    async def remove_lobbies(self, ids: Sequence[str]) -> None:
        """Forget lobbies, also on a full disk, as long as the room lasts that is kept for it. Raises as `add_lobby`; a
        lobby that is forgotten after the deadline stays so."""
        chosen = json.dumps(list(ids))
        statement = "DELETE FROM lobbies WHERE id IN (SELECT value FROM json_each(?))"
        await self._db.write(statement, (chosen,), reserve=0)

    async def lobbies(self) -> tuple[StoredLobby, ...]:
        """All lobbies, oldest first."""
        rows = await self._db.read(f"SELECT {COLUMNS} FROM lobbies ORDER BY created, id")
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
        """Keep a receipt, and of each subject at most `RECEIPTS` and a few more."""
        text = json.dumps(to_plain(receipt))
        values = receipt.id, receipt.lobby, text, receipt.subject.value, receipt.worker, int(receipt.clean)
        columns = "id, lobby, receipt, subject, worker, clean"
        statement = f"INSERT OR IGNORE INTO receipts ({columns}) VALUES (?, ?, ?, ?, ?, ?)"
        await self._db.write(statement, values, reserve=FOR_REMOVALS)
        self._added[receipt.subject] += 1
        if self._added[receipt.subject] * SPARE >= RECEIPTS or self._added[receipt.subject] == 1:
            await self._forget_receipts(receipt.subject)

    async def _write_lobby(self, statement: str, values: tuple[object, ...], id: str, key: str | None) -> None:
        """Write what changes no more lobbies than the one with this id, and the one with this key."""
        before = f"SELECT {COLUMNS} FROM lobbies WHERE id = ? OR key = ?", (id, key)

        def backwards(rows: list[tuple[object, ...]]) -> list[Statement]:
            put = f"INSERT INTO lobbies ({COLUMNS}) VALUES (?, ?, ?, ?, ?)"
            return [("DELETE FROM lobbies WHERE id = ?", (id,)), *((put, row) for row in rows)]

        await self._db.write(statement, values, Undo(before, backwards))

    async def _forget_receipts(self, subject: Subject) -> None:
        self._added[subject] = 1
        last = "SELECT number FROM receipts WHERE subject = ? ORDER BY number DESC LIMIT 1 OFFSET ?"
        values = subject.value, subject.value, RECEIPTS
        await self._db.write(f"DELETE FROM receipts WHERE subject = ? AND number <= ({last})", values)

    async def receipts(self, before: str | None, limit: int, wanted: ReceiptFilter) -> tuple[Receipt, ...] | None:
        """Newest first, those older than the receipt `before`; None where there is no such receipt."""
        number = 1 << 62
        if before is not None:
            found = await self._db.read("SELECT number FROM receipts WHERE id = ?", (before,))
            if not found:
                return None
            number = int(found[0][0])
        asked: dict[str, object] = {
            "lobby": wanted.lobby,
            "subject": None if wanted.subject is None else wanted.subject.value,
            "clean": None if wanted.clean is None else int(wanted.clean),
            "worker": wanted.worker,
        }
        chosen = {column: value for column, value in asked.items() if value is not None}
        condition = " AND ".join(["number < ?", *(f"{column} = ?" for column in chosen)])
        rows = await self._db.read(
            f"SELECT receipt FROM receipts WHERE {condition} ORDER BY number DESC LIMIT ?",
            (number, *chosen.values(), limit),
        )
        return tuple(receipt for row in rows if (receipt := _receipt(row[0])) is not None)

    async def receipt(self, id: str) -> Receipt | None:
        """One receipt; None where there is none that can be read."""
        rows = await self._db.read("SELECT receipt FROM receipts WHERE id = ?", (id,))
        return _receipt(rows[0][0]) if rows else None


def _values(lobby: StoredLobby) -> tuple[object, ...]:
    return lobby.id, lobby.key, lobby.created, lobby.request, int(lobby.declared)


def _receipt(text: str) -> Receipt | None:
    try:
        return from_plain(Receipt, json.loads(text))
    except (ValueError, CodecError) as error:
        log.warning("a receipt of an older version is left out", why=str(error))
        return None
