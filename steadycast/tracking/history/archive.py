"""The file of a history: SQLite in WAL mode. Only this module writes SQL; what it raises is sqlite3.Error.

`journal` holds every value of the last hours, a row for each few seconds: it is what a killed process loses nothing of.
`pieces` hold buckets of one series: an hour of minutes, or a day of hours. A piece that is written again replaces what
it was, so that writing twice does no harm. `synchronous` is NORMAL: a process that is killed loses nothing that was
committed, a machine that loses power may lose the last seconds but never breaks the file (sqlite.org/pragma.html).
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steadycast.model import Measured, Resource
from steadycast.tracking.history.buckets import DAY, HOUR, MINUTE, Bucket
from steadycast.tracking.history.packing import BrokenPieceError, pack, pack_buckets, unpack, unpack_buckets

VERSION = 1
WAIT_S = 5.0  # for a lock, as another process may look into the file
WAL_BYTES = 4 * 1024 * 1024
SPANS = {MINUTE: HOUR, HOUR: DAY}  # what one piece of this step covers
_SCHEMA = """
CREATE TABLE series (id INTEGER PRIMARY KEY, role TEXT NOT NULL, resource TEXT NOT NULL, detail TEXT NOT NULL,
  first REAL NOT NULL, last REAL NOT NULL, UNIQUE (role, resource, detail));
CREATE TABLE journal (id INTEGER PRIMARY KEY, since REAL NOT NULL, until REAL NOT NULL, piece BLOB NOT NULL);
CREATE TABLE pieces (series INTEGER NOT NULL, step INTEGER NOT NULL, start INTEGER NOT NULL, through REAL NOT NULL,
  piece BLOB NOT NULL, PRIMARY KEY (series, step, start)) WITHOUT ROWID;
CREATE TABLE epochs (id INTEGER PRIMARY KEY, role TEXT NOT NULL, at REAL NOT NULL, epoch TEXT NOT NULL);
CREATE INDEX epochs_of_role ON epochs (role, id);
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A series of the file. `first` and `last` are Unix seconds of its values."""

    id: int
    role: str
    measured: Measured
    first: float
    last: float


class Archive:
    """One open file. Not for two threads at the same time."""

    def __init__(self, path: Path) -> None:
        self.broken = 0  # pieces that could not be read
        fresh = not path.exists()
        self._db = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(fresh)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()

    def transaction(self) -> sqlite3.Connection:
        """For `with`: all or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        return self._db

    def series(self) -> Iterator[Known]:
        """All of them. Resources that this version does not know are left out."""
        names = {str(resource): resource for resource in Resource}
        for number, role, resource, detail, first, last in self._rows("SELECT * FROM series"):
            if resource in names:
                yield Known(number, role, Measured(names[resource], detail), first, last)

    def put_series(self, known: Iterable[Known]) -> None:
        sql = "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET last = excluded.last"
        rows = [
            (one.id, one.role, str(one.measured.resource), one.measured.detail, one.first, one.last) for one in known
        ]
        self._db.executemany(sql, rows)

    def drop_series(self, numbers: Iterable[int]) -> None:
        rows = [(number,) for number in numbers]
        self._db.executemany("DELETE FROM series WHERE id = ?", rows)
        self._db.executemany("DELETE FROM pieces WHERE series = ?", rows)

    def append(self, series: array[float], times: array[float], values: array[float]) -> None:
        """One row of the journal. Times are Unix seconds. Within it, values are by series, then in order."""
        since, until = min(times), max(times)
        order = sorted(range(len(series)), key=series.__getitem__)
        numbers = array("d", [series[place] for place in order])
        offsets = array("d", [times[place] - since for place in order])
        row = (since, until, pack((numbers, offsets, array("d", [values[place] for place in order]))))
        self._db.execute("INSERT INTO journal (since, until, piece) VALUES (?, ?, ?)", row)

    def journal(self, since: float, until: float = float("inf")) -> Iterator[tuple[float, list[array[float]]]]:
        """Rows that meet this time, as they were written: a time (Unix seconds), and the columns series, seconds after
        that time, value."""
        sql = "SELECT since, piece FROM journal WHERE until >= ? AND since <= ? ORDER BY id"
        for start, piece in self._rows(sql, since, until):
            try:
                yield start, unpack(piece, 3)
            except BrokenPieceError:
                self.broken += 1

    def values(self, series: int, since: float, until: float) -> Iterator[tuple[float, float]]:
        """When (Unix seconds) and what, of one series in the journal."""
        for start, (numbers, offsets, values) in self.journal(since, until):
            for place in range(bisect_left(numbers, series), bisect_right(numbers, series)):
                yield start + offsets[place], values[place]

    def cut_journal(self, rows: int) -> None:
        """Keep the newest rows."""
        self._db.execute("DELETE FROM journal WHERE id <= (SELECT max(id) FROM journal) - ?", (rows,))

    def piece(self, series: int, step: int, start: int) -> list[Bucket]:
        return [bucket for _, bucket in self._buckets(series, step, start, start)]

    def buckets(self, series: int, step: int, since: float, until: float) -> list[Bucket]:
        """Those that begin in [since, until], in order."""
        first = int(since // SPANS[step] * SPANS[step])
        return [bucket for _, bucket in self._buckets(series, step, first, until) if since <= bucket.at <= until]

    def put_piece(self, series: int, step: int, start: int, buckets: list[Bucket]) -> None:
        """`through` of a piece is the end of its last bucket."""
        row = (series, step, start, buckets[-1].at + step, pack_buckets(buckets, start))
        self._db.execute("INSERT OR REPLACE INTO pieces VALUES (?, ?, ?, ?, ?)", row)

    def newest_saved(self) -> float | None:
        """Until when any minute is in a piece; None where there is no piece."""
        ((through,),) = self._rows("SELECT max(through) FROM pieces WHERE step = ?", MINUTE)
        return None if through is None else float(through)

    def saved_through(self, since: float) -> Mapping[tuple[int, int], float]:
        """Until when minutes are in pieces, by series and start of the hour, of hours that were not over at `since`."""
        sql = "SELECT series, start, through FROM pieces WHERE step = ? AND start > ?"
        return {(series, start): through for series, start, through in self._rows(sql, MINUTE, since - HOUR)}

    def cut_pieces(self, series: int, step: int, keep: int) -> None:
        """Keep the newest pieces of a series, however old they are: a clock that jumped must not empty the file."""
        sql = """DELETE FROM pieces WHERE series = ?1 AND step = ?2 AND start <=
          (SELECT start FROM pieces WHERE series = ?1 AND step = ?2 ORDER BY start DESC LIMIT 1 OFFSET ?3)"""
        self._db.execute(sql, (series, step, keep))

    def cut_oldest(self, step: int, part: float) -> int:
        """Drop this part (0 to 1) of all pieces of a step, the oldest first; answers with how many."""
        ((count,),) = self._rows("SELECT count(*) FROM pieces WHERE step = ?", step)
        sql = """DELETE FROM pieces WHERE step = ?1 AND (series, start) IN
          (SELECT series, start FROM pieces WHERE step = ?1 ORDER BY start LIMIT ?2)"""
        return int(self._db.execute(sql, (step, int(count * part) + 1)).rowcount)

    def mark_epoch(self, role: str, at: float, epoch: str, keep: int) -> None:
        self._db.execute("INSERT INTO epochs (role, at, epoch) VALUES (?, ?, ?)", (role, at, epoch))
        sql = """DELETE FROM epochs WHERE role = ?1 AND id <=
          (SELECT id FROM epochs WHERE role = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)"""
        self._db.execute(sql, (role, keep))

    def epochs(self, role: str) -> list[tuple[float, str]]:
        """When (Unix seconds) each life of a role was first seen, and its name; those known, in the order seen."""
        return list(self._rows("SELECT at, epoch FROM epochs WHERE role = ? ORDER BY id", role))

    def newest_epochs(self) -> dict[str, str]:
        return dict(self._rows("SELECT role, epoch FROM epochs WHERE id IN (SELECT max(id) FROM epochs GROUP BY role)"))

    def forget_epochs(self, roles: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM epochs WHERE role = ?", [(role,) for role in roles])

    def bytes_used(self) -> int:
        """Of the file, without pages that are free; the WAL comes on top, WAL_BYTES or little more."""
        ((pages,),) = self._rows("PRAGMA page_count")
        ((free,),) = self._rows("PRAGMA freelist_count")
        ((size,),) = self._rows("PRAGMA page_size")
        return int((pages - free) * size)

    def shrink(self) -> None:
        """Give free pages back to the file system."""
        with closing(self._db.execute("PRAGMA incremental_vacuum")) as cursor:
            cursor.fetchall()

    def _prepare(self, fresh: bool) -> None:
        if fresh:
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        ((version,),) = self._rows("PRAGMA user_version")
        if version == VERSION:
            return
        if version != 0 or next(self._rows("SELECT name FROM sqlite_master"), None):
            raise sqlite3.DatabaseError(f"it is of version {version}, and this program writes version {VERSION}")
        self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")

    def _buckets(self, series: int, step: int, first: float, last: float) -> Iterator[tuple[int, Bucket]]:
        sql = (
            "SELECT start, piece FROM pieces WHERE series = ? AND step = ? AND start >= ? AND start <= ? ORDER BY start"
        )
        for start, piece in self._rows(sql, series, step, first, last):
            try:
                for bucket in unpack_buckets(piece, start, step):
                    yield start, bucket
            except BrokenPieceError:
                self.broken += 1

    def _rows(self, sql: str, *values: object) -> Iterator[Any]:
        yield from self._db.execute(sql, values)
