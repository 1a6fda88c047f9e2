"""One SQLite file that only its owner can read (credentials!), its schema, and the errors of disks in words.

All access is on one thread, so the event loop never waits for a disk. Write-ahead logging survives a kill at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog

from steadycast.errors import ConfigError, DeadlineError, RefusedError
from steadycast.lobbies.reserve import Reserve
from steadycast.patience import patience

log = structlog.get_logger("store")

T = TypeVar("T")
Statement = tuple[str, tuple[object, ...]]  # with its values
Rows = list[tuple[Any, ...]]

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


@dataclass(frozen=True, slots=True)
class Undo:
    """How a write that was done too late is taken back: by what `statements` makes of the rows that `before` found."""

    before: Statement
    statements: Callable[[Rows], Sequence[Statement]]


class Database:
    """The file. `open` first; after `close` nothing works."""

    def __init__(self, path: Path, max_bytes: int, deadline_s: float) -> None:
        self._path = path
        self._deadline_s = deadline_s
        self._max_bytes = max_bytes
        self._reserve = Reserve(path.with_name(f"{path.name}.reserve"))
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

    async def write(
        self, statement: str, values: tuple[object, ...], undo: Undo | None = None, reserve: int | None = None
    ) -> None:
        """Raises RefusedError `store.full`, `store.failed`, DeadlineError `store.slow`.

        What is done after that deadline all the same is taken back by `undo`; without one it stays. On a full disk the
        write may use what is kept for that, down to `reserve` bytes; None: it may not.
        """
        backwards: list[Statement] = []

        def work() -> None:
            if undo is not None:
                backwards.extend(undo.statements(self._rows(undo.before)))
            self._execute((statement, values), reserve)

        try:
            await self._run(work, lambda: self._take_back(backwards))
        except sqlite3.Error as error:
            raise _refused(error) from error

    async def read(self, statement: str, values: tuple[object, ...] = ()) -> Rows:
        """All rows. Raises as `write`."""
        try:
            return await self._run(lambda: self._rows((statement, values)))
        except sqlite3.Error as error:
            raise _refused(error) from error

    def _open(self) -> sqlite3.Connection:
        """A disk that was filled while no host ran gets back the room that was kept: its log needs some."""
        self._reserve.open()
        while True:
            try:
                return self._opened()
            except sqlite3.OperationalError as error:
                if not _no_room(error) or not self._reserve.give(0):
                    raise

    def _opened(self) -> sqlite3.Connection:
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

    def _rows(self, statement: Statement) -> Rows:
        return self._db.execute(*statement).fetchall()

    def _execute(self, statement: Statement, reserve: int | None = None) -> None:
        while True:
            try:
                self._db.execute(*statement).close()
                break
            except sqlite3.Error as error:
                if reserve is None or not _no_room(error) or not self._reserve.give(reserve):
                    raise
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("PRAGMA wal_checkpoint(RESTART)").close()
        self._reserve.restore()

    def _take_back(self, statements: Sequence[Statement]) -> None:
        try:
            self._db.execute("BEGIN")
            for statement in statements:
                self._execute(statement)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            log.error("what was too late could not be taken back", why=str(error))
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    async def _run(self, work: Callable[[], T], take_back: Callable[[], None] = lambda: None) -> T:
        """On the store's thread. What waits for its turn at the deadline is not done; what was begun cannot be stopped:
        it is followed by `take_back`, on the same thread and before anything else."""
        turn = _Turn(work, take_back)
        running = self._thread.submit(turn)
        asked = asyncio.wrap_future(running)
        asked.add_done_callback(_heard)
        try:
            async with patience(self._deadline_s):
                return await asyncio.shield(asked)
        except TimeoutError:
            if not running.cancel() and not turn.give_up():
                return await asked  # done at the last moment
            what = f"The database did not answer within {self._deadline_s:g} s."
            raise DeadlineError("store.slow", what, hint="Is the disk of the state folder alive?") from None


class _Turn(Generic[T]):
    """One piece of work of the store's thread; whoever asked for it may give it up meanwhile."""

    def __init__(self, work: Callable[[], T], take_back: Callable[[], None]) -> None:
        self._work = work
        self._take_back = take_back
        self._lock = threading.Lock()
        self._done = self._given_up = False

    def __call__(self) -> T:
        result = self._work()
        with self._lock:
            self._done = True
        if self._given_up:
            self._take_back()
        return result

    def give_up(self) -> bool:
        """Nobody waits for it any more; False where it is done."""
        with self._lock:
            self._given_up = not self._done
            return self._given_up


def _heard(asked: asyncio.Future[T]) -> None:
    """Its error is known, also where nobody waits for it any more."""
    if not asked.cancelled():
        asked.exception()


def _no_room(error: sqlite3.Error) -> bool:
    """Also where its shared memory could not grow, which SQLite calls an I/O error."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def _refused(error: sqlite3.Error) -> RefusedError:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF == sqlite3.SQLITE_FULL:
        hint = "Free space on the disk of the state folder."
        return RefusedError("store.full", "The disk under the state folder is full.", hint=hint, retry_after=30)
    why = f"{getattr(error, 'sqlite_errorname', 'SQLite')}: {error}"
    hint = "Look at the disk of the state folder."
    return RefusedError("store.failed", "The database cannot be used.", why=why, hint=hint, retry_after=30)
