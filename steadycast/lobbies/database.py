"""One SQLite file that only its owner can read (credentials!), its schema, and the errors of disks in words.

All access is on one thread, so the event loop never waits for a disk. Write-ahead logging survives a kill at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import structlog

from steadycast.errors import ConfigError, DeadlineError, RefusedError
from steadycast.patience import patience

log = structlog.get_logger("store")

T = TypeVar("T")
Statement = tuple[str, tuple[object, ...]]  # with its values

DEADLINE_S = 10.0
BUSY_S = 3.0
PAGE_BYTES = 4096
# What brings a database from version n to n + 1, in this order. Steps are never changed, only added.
_STEPS = (
    """
    CREATE TABLE lobbies (id TEXT PRIMARY KEY, key TEXT UNIQUE, created REAL NOT NULL, request TEXT NOT NULL,
        declared INTEGER NOT NULL) STRICT;
    CREATE TABLE receipts (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, lobby TEXT, receipt TEXT NOT NULL
    ) STRICT;
    CREATE INDEX receipts_by_lobby ON receipts (lobby, number);
    """,
    """
    CREATE TABLE facts (kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (kind, name)) STRICT;
    """,
    """
    ALTER TABLE receipts ADD COLUMN subject TEXT NOT NULL DEFAULT 'worker';
    ALTER TABLE receipts ADD COLUMN worker TEXT;
    ALTER TABLE receipts ADD COLUMN clean INTEGER;
    UPDATE receipts SET worker = json_extract(receipt, '$.worker'), clean = json_extract(receipt, '$.clean')
        WHERE json_valid(receipt);
    CREATE INDEX receipts_by_subject ON receipts (subject, number);
    CREATE INDEX receipts_by_worker ON receipts (worker, number);
    """,
)
VERSION = len(_STEPS)


class Database:
    """The file. `open` first; after `close` nothing works."""

    def __init__(self, path: Path, max_bytes: int, deadline_s: float) -> None:
        self._path = path
        self._deadline_s = deadline_s
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

    async def write(self, statement: str, values: tuple[object, ...], undo: Statement | None = None) -> None:
        """Raises RefusedError `store.full`, `store.failed`, DeadlineError `store.slow`. What is done after that
        deadline all the same is taken back by `undo`."""
        try:
            await self._run(lambda: self._execute((statement, values)), lambda: self._execute(undo))
        except sqlite3.Error as error:
            raise _refused(error) from error

    async def read(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows. Raises as `write`."""
        try:
            return await self._run(lambda: self._db.execute(statement, values).fetchall())
        except sqlite3.Error as error:
            raise _refused(error) from error

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
            for number, step in enumerate(_STEPS[version:], version + 1):
                db.executescript(f"BEGIN; {step} PRAGMA user_version = {number}; COMMIT;")
            problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise sqlite3.DatabaseError(problem)
        except BaseException:
            db.close()
            raise
        return db

    def _execute(self, statement: Statement | None) -> None:
        if statement is not None:
            self._db.execute(*statement).close()

    async def _run(self, work: Callable[[], T], undo: Callable[[], object] = lambda: None) -> T:
        """On the store's thread. What waits for its turn at the deadline is not done; what was begun cannot be stopped:
        it is followed by `undo`, on the same thread and before anything else."""
        running = self._thread.submit(work)
        try:
            async with patience(self._deadline_s):
                return await asyncio.shield(asyncio.wrap_future(running))
        except TimeoutError:
            if not running.cancel():
                running.add_done_callback(lambda done: _take_back(done, undo))
            what = f"The database did not answer within {self._deadline_s:g} s."
            raise DeadlineError("store.slow", what, hint="Is the disk of the state folder alive?") from None


def _take_back(done: Future[T], undo: Callable[[], object]) -> None:
    if done.exception() is not None:
        return
    try:
        undo()
    except sqlite3.Error as error:
        log.error("what was too late could not be taken back", why=str(error))


def _refused(error: sqlite3.Error) -> RefusedError:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF == sqlite3.SQLITE_FULL:
        hint = "Free space on the disk of the state folder."
        return RefusedError("store.full", "The disk under the state folder is full.", hint=hint, retry_after=30)
    why = f"{getattr(error, 'sqlite_errorname', 'SQLite')}: {error}"
    hint = "Look at the disk of the state folder."
    return RefusedError("store.failed", "The database cannot be used.", why=why, hint=hint, retry_after=30)
