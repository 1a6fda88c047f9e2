"""What was measured, kept: looks in, buckets out.

Each look waits in memory until `flush` (each few seconds, beside the event loop) writes it into the journal. Minutes
that are over are saved as pieces each ten minutes; after a kill the journal tells those that were not. All is bounded:
what comes while nothing can be written, series, pieces, the file.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from contextlib import suppress
from math import isfinite
from pathlib import Path

from steadycast.errors import ConfigError
from steadycast.model import Look, Measured
from steadycast.tracking.history.archive import Archive, Known
from steadycast.tracking.history.buckets import HOUR, MINUTE, Bucket, coarser, together
from steadycast.tracking.history.room import HistoryCounts, Room
from steadycast.tracking.history.saving import OpenSeries, cut, save
from steadycast.tracking.history.waiting import Waiting


class History:
    """Of one host, in one file. May be used by several threads."""

    def __init__(self, path: Path, room: Room | None = None) -> None:
        """Opens or makes the file, and takes back what a killed process had not saved.

        Raises ConfigError where the file is broken or of another program: nothing of it was changed then.
        """
        self._room = room or Room()
        self._lock = threading.RLock()
        self._open: dict[tuple[str, Measured], OpenSeries] = {}
        self._by_number: dict[int, OpenSeries] = {}
        self._next = 1
        self._fresh: set[int] = set()  # numbers of series that are not in the file yet
        self._gone: set[int] = set()  # of series that made room, and may be in the file still
        self._roles: Counter[str] = Counter()  # series of each
        self._gone_roles: set[str] = set()
        self._waiting = Waiting(self._room.waiting)
        self._marks: list[tuple[str, float, str]] = []
        self._newest = 0.0  # Unix seconds of the newest look
        self._dropped = 0
        self._fault: str | None = None
        self._saved: float | None = None  # monotonic seconds
        try:
            self._archive = Archive(path)
            self._epochs = self._archive.newest_epochs()
            self._take_back()
        except sqlite3.Error as error:
            why = f"{path} cannot be used as the file of what was measured: {error}."
            raise ConfigError("history.file", why, hint="Move it away; a new one is made.") from error

    def add(self, look: Look) -> None:
        """Cheap: nothing is written."""
        role, at = look.owner.role, look.at
        with self._lock:
            self._newest = at
            if self._epochs.get(role) != look.owner.epoch:
                self._epochs[role] = look.owner.epoch
                self._marks = [*self._marks[1 - self._room.epochs :], (role, at, look.owner.epoch)]
            for measured, value in look.values.items():
                if isfinite(value):
                    series = self._find(role, measured, at)
                    self._waiting.add(series.known.id, at, value)
                    series.add(at, value)

    def flush(self, monotonic: float) -> None:
        """Write what waits; now and then save minutes, and cut what is too old.

        Where the disk says no, all waits on, within bounds, and `statistics` says why. Blocking: for a thread.
        """
        with self._lock:
            try:
                with self._archive.transaction():
                    self._write()
                self._waiting.clear()
                self._marks, self._fresh, self._gone, self._gone_roles = [], set(), set(), set()
                if self._saved is None:
                    self._saved = monotonic
                elif monotonic - self._saved >= self._room.save_s:
                    self._saved = monotonic
                    self.save()
                self._fault = None
            except sqlite3.Error as error:
                self._fault = str(error)

    def save(self) -> None:
        """Minutes that are over become pieces, and hours of them. Raises sqlite3.Error; then they wait on."""
        with self._lock:
            for series in self._open.values():
                series.end_minute(self._newest)
            full = [series for series in self._open.values() if series.minutes and series.known.id not in self._fresh]
            with self._archive.transaction():
                for series in full:
                    save(self._archive, series, self._room)
                self._archive.put_series(series.known for series in full)
            for series in full:
                series.minutes.clear()
            cut(self._archive, self._room)

    def series(self) -> list[Known]:
        """All that are known, by role and what they measure."""
        with self._lock:
            known = [series.known for series in self._open.values()]
        return sorted(known, key=lambda one: (one.role, one.measured))

    def find(self, role: str, measured: Measured) -> Known | None:
        with self._lock:
            found = self._open.get((role, measured))
            return found.known if found else None

    def seconds(self, series: int, since: float, until: float) -> list[Bucket]:
        """Values of the last hours, a bucket a second."""
        with self._lock:
            found = [*self._archive.values(series, since, until), *self._waiting.of(series)]
        ones = [Bucket(at, 0.0, 1, value, value, value) for at, value in sorted(found) if since <= at <= until]
        return coarser(ones, 1.0)

    def minutes(self, series: int, since: float, until: float) -> list[Bucket]:
        """With those that are in no piece yet, also the one that is not over."""
        with self._lock:
            saved = self._archive.buckets(series, MINUTE, since, until)
            still = [bucket for bucket in self._unsaved(series) if since <= bucket.at <= until]
        return together(saved, still)

    def hours(self, series: int, since: float, until: float) -> list[Bucket]:
        """With those that are not over."""
        with self._lock:
            saved = self._archive.buckets(series, HOUR, since, until)
            starts = sorted({bucket.at // HOUR * HOUR for bucket in self._unsaved(series)})
            again = [minute for start in starts for minute in self.minutes(series, start, start + HOUR - MINUTE)]
        kept = [bucket for bucket in saved if bucket.at not in starts]
        return [bucket for bucket in together(kept, coarser(again, HOUR)) if since <= bucket.at <= until]

    def epochs(self, role: str) -> list[tuple[float, str]]:
        """When (Unix seconds) each life of this role was first seen, and its name, oldest first."""
        with self._lock:
            return self._archive.epochs(role) + [(at, epoch) for other, at, epoch in self._marks if other == role]

    def statistics(self) -> HistoryCounts:
        with self._lock:
            used = None
            with suppress(sqlite3.Error):
                used = self._archive.bytes_used()
            lost = self._waiting.lost + sum(series.lost for series in self._open.values())
            counts = (len(self._open), self._dropped, len(self._waiting), lost, self._archive.broken)
            return HistoryCounts(*counts, used, self._fault)

    def close(self) -> None:
        """Writes what waits; minutes that are not saved are told by the journal to whoever opens the file next."""
        with self._lock:
            with suppress(sqlite3.Error), self._archive.transaction():
                self._write()
            self._archive.close()

    def _find(self, role: str, measured: Measured, at: float) -> OpenSeries:
        found = self._open.get((role, measured))
        if found is None:
            if len(self._open) >= self._room.series:
                self._drop_one()
            found = OpenSeries(Known(self._next, role, measured, at, at), self._room.minutes_waiting)
            self._fresh.add(self._next)
            self._next += 1
            self._keep(found)
        return found

    def _keep(self, series: OpenSeries) -> None:
        self._open[series.known.role, series.known.measured] = series
        self._by_number[series.known.id] = series
        self._roles[series.known.role] += 1
        self._gone_roles.discard(series.known.role)

    def _drop_one(self) -> None:
        """The series that was not seen for longest makes room."""
        key = min(self._open, key=lambda key: self._open[key].known.last)
        number = self._open.pop(key).known.id
        del self._by_number[number]
        self._fresh.discard(number)
        self._gone.add(number)
        self._dropped += 1
        self._roles[key[0]] -= 1
        if not self._roles[key[0]]:
            del self._roles[key[0]]
            self._epochs.pop(key[0], None)
            self._gone_roles.add(key[0])

    def _write(self) -> None:
        self._archive.put_series(self._by_number[number].known for number in self._fresh)
        self._archive.drop_series(self._gone)
        self._archive.forget_epochs(self._gone_roles)
        for role, at, epoch in self._marks:
            self._archive.mark_epoch(role, at, epoch, self._room.epochs)
        columns = self._waiting.columns(self._gone)
        if columns[0]:
            self._archive.append(*columns)
            self._archive.cut_journal(self._room.journal_rows)

    def _unsaved(self, series: int) -> list[Bucket]:
        found = self._by_number.get(series)
        return found.unsaved() if found else []

    def _take_back(self) -> None:
        """Series of the file, and minutes that are in the journal and in no piece."""
        for known in self._archive.series():
            self._keep(OpenSeries(known, self._room.minutes_waiting))
        self._next = max(self._by_number, default=0) + 1
        newest = self._archive.newest_saved()
        since = float("-inf") if newest is None else newest - 2 * MINUTE
        through = self._archive.saved_through(since)
        for start, columns in self._archive.journal(since):
            for number, offset, value in zip(*columns, strict=True):
                series, at = self._by_number.get(int(number)), start + offset
                if series is not None and at >= through.get((int(number), int(at // HOUR * HOUR)), 0.0):
                    series.add(at, value)
                    self._newest = at
