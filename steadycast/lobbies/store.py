"""What outlives the host: lobbies and receipts, in one SQLite file that only its owner can read (credentials!).

All access is on one thread, so the event loop never waits for a disk. Write-ahead logging survives a kill at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from steadycast.errors import ConfigError, DeadlineError, RefusedError
from steadycast.model import Receipt
from steadycast.workers.codec import CodecError, from_plain, to_plain

log = structlog.get_logger("store")
T = TypeVar("T")

VERSION = 1
RECEIPTS = 10_000  # the oldest go
DEADLINE_S = 10.0
BUSY_S = 3.0
PAGE_BYTES = 4096
MAX_BYTES = 1 << 30
_SCHEMA = """
CREATE TABLE lobbies (id TEXT PRIMARY KEY, key TEXT UNIQUE, created REAL NOT NULL, request TEXT NOT NULL,
    declared INTEGER NOT NULL) STRICT;
CREATE TABLE receipts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, lobby TEXT, receipt TEXT NOT NULL
) STRICT;
CREATE INDEX receipts_by_lobby ON receipts (lobby, number);
"""


@dataclass(frozen=True, slots=True)
class StoredLobby:
    """A lobby as kept: `request` is the JSON of its `LobbySettings`; `declared`: by the config, not by a caller."""

    id: str
    key: str | None
    created: float
    request: str
    declared: bool = False


class Store:
    """The database. `open` first; after `close` nothing works."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def open(self) -> None:
        """Open or make the database; raises ConfigError where it is unusable."""
        try:
            self._db = await self._run(self._open)
        except sqlite3.DatabaseError as error:
            what = f"the database {self._path} cannot be used: {error}"
            hint = "Move it away to start with an empty one, or free the disk."
            raise ConfigError("store.unusable", what, hint=hint) from None

    async def close(self) -> None:
        """Close it; what was written is on disk."""
        with contextlib.suppress(sqlite3.Error):
            await self._run(self._db.close)
        self._thread.shutdown(wait=False)

    async def add_lobby(self, lobby: StoredLobby) -> None:
        """Keep a lobby. Raises RefusedError `store.full`, `store.failed`; then nothing of it stays."""
        await self._write("INSERT INTO lobbies VALUES (?, ?, ?, ?, ?)", _values(lobby))

    async def put_lobby(self, lobby: StoredLobby) -> None:
        """Keep a lobby, in place of the one with the same id. Raises as `add_lobby`."""
        await self._write("INSERT OR REPLACE INTO lobbies VALUES (?, ?, ?, ?, ?)", _values(lobby))

    async def remove_lobby(self, id: str) -> None:
        """Forget a lobby."""
        await self._write("DELETE FROM lobbies WHERE id = ?", (id,))

    async def lobbies(self) -> tuple[StoredLobby, ...]:
        """All lobbies, oldest first."""
        rows = await self._read("SELECT id, key, created, request, declared FROM lobbies ORDER BY created, id", ())
        return tuple(StoredLobby(id, key, at, text, bool(declared)) for id, key, at, text, declared in rows)

    async def add_receipt(self, receipt: Receipt) -> None:
        """Keep a receipt, and at most `RECEIPTS` of them."""
        text = json.dumps(to_plain(receipt))
        await self._write(
            "INSERT OR IGNORE INTO receipts (id, lobby, receipt) VALUES (?, ?, ?)", (receipt.id, receipt.lobby, text)
        )
        await self._write("DELETE FROM receipts WHERE number <= (SELECT max(number) FROM receipts) - ?", (RECEIPTS,))

    async def receipts(self, before: str | None, limit: int, lobby: str | None) -> tuple[Receipt, ...] | None:
        """Newest first, those older than the receipt `before`; None where there is no such receipt."""
        number = 1 << 62
        if before is not None:
            found = await self._read("SELECT number FROM receipts WHERE id = ?", (before,))
            if not found:
                return None
            number = int(found[0][0])
        rows = await self._read(
            "SELECT receipt FROM receipts WHERE number < ? AND (? IS NULL OR lobby = ?) ORDER BY number DESC LIMIT ?",
            (number, lobby, lobby, limit),
        )
        return tuple(receipt for row in rows if (receipt := _receipt(row[0])) is not None)

    # --- inside

    def _open(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        self._path.chmod(0o600)
        db = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA max_page_count = {max(1, self._max_bytes // PAGE_BYTES)}")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise sqlite3.DatabaseError(f"it is of a newer version ({version}, this host knows {VERSION})")
            if version == 0:
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise sqlite3.DatabaseError(problem)
        except BaseException:
            db.close()
            raise
        return db

    async def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            await self._run(lambda: self._db.execute(statement, values).close())
        except sqlite3.Error as error:
            raise _refused(error) from error

    async def _read(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return await self._run(lambda: self._db.execute(statement, values).fetchall())
        except sqlite3.Error as error:
            raise _refused(error) from error

    async def _run(self, work: Callable[[], T]) -> T:
        """On the store's thread. What passed its deadline may still happen: the thread cannot be stopped."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await asyncio.shield(running)
        except TimeoutError:
            running.add_done_callback(lambda done: done.cancelled() or done.exception())
            what = f"The database did not answer within {DEADLINE_S:g} s."
            raise DeadlineError("store.slow", what, hint="Is the disk of the state folder alive?") from None


def _values(lobby: StoredLobby) -> tuple[object, ...]:
    return lobby.id, lobby.key, lobby.created, lobby.request, int(lobby.declared)


def _refused(error: sqlite3.Error) -> RefusedError:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF == sqlite3.SQLITE_FULL:
        hint = "Free space on the disk of the state folder."
        return RefusedError("store.full", "The disk under the state folder is full.", hint=hint, retry_after=30)
    why = f"{getattr(error, 'sqlite_errorname', 'SQLite')}: {error}"
    hint = "Look at the disk of the state folder."
    return RefusedError("store.failed", "The database cannot be used.", why=why, hint=hint, retry_after=30)


def _receipt(text: str) -> Receipt | None:
    try:
        return from_plain(Receipt, json.loads(text))
    except (ValueError, CodecError) as error:
        log.warning("a receipt of an older version is left out", why=str(error))
        return None
