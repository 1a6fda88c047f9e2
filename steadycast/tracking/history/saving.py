"""A series that is being written, and how its minutes come into the file."""

from __future__ import annotations

from dataclasses import replace

from steadycast.tracking.history.archive import Archive, Known
from steadycast.tracking.history.buckets import DAY, HOUR, MINUTE, Bucket, Tally, coarser, together
from steadycast.tracking.history.room import Room

CUT = 0.1  # of the oldest pieces, each time that the file is too large
CUTS = 10  # at most, in one go


class OpenSeries:
    """Its minute now, and minutes that are over and in no piece yet: `most` of them, then the oldest are lost."""

    __slots__ = ("_most", "_tally", "known", "lost", "minutes")

    def __init__(self, known: Known, most: int) -> None:
        self.known = known
        self.minutes: list[Bucket] = []
        self.lost = 0  # values
        self._tally: Tally | None = None
        self._most = most

    def add(self, at: float, value: float) -> None:
        start = at // MINUTE * MINUTE
        if self._tally is None or self._tally.at != start:
            self._end()
            self._tally = Tally(start, MINUTE)
            self.known = replace(self.known, last=at)
        self._tally.add(value)

    def end_minute(self, now: float) -> None:
        """End the minute if it is over at `now` (Unix seconds)."""
        if self._tally is not None and self._tally.at + MINUTE <= now:
            self._end()

    def unsaved(self) -> list[Bucket]:
        now = self._tally.bucket() if self._tally else None
        return together(self.minutes, (now,)) if now else list(self.minutes)

    def _end(self) -> None:
        self.minutes = self.unsaved()
        self._tally = None
        over = len(self.minutes) - self._most
        if over > 0:
            self.lost += sum(bucket.count for bucket in self.minutes[:over])
            del self.minutes[:over]


def save(archive: Archive, series: OpenSeries, room: Room) -> None:
    """Its minutes join their hour, and the hour is told anew in its day. Within a transaction; raises sqlite3.Error."""
    number = series.known.id
    for start in sorted({int(bucket.at // HOUR * HOUR) for bucket in series.minutes}):
        new = [bucket for bucket in series.minutes if start <= bucket.at < start + HOUR]
        hour = together(archive.piece(number, MINUTE, start), new)
        archive.put_piece(number, MINUTE, start, hour)
        day = start // DAY * DAY
        others = [bucket for bucket in archive.piece(number, HOUR, day) if bucket.at != start]
        archive.put_piece(number, HOUR, day, together(others, coarser(hour, HOUR)))
    archive.cut_pieces(number, MINUTE, room.minute_hours)
    archive.cut_pieces(number, HOUR, room.hour_days)


def cut(archive: Archive, room: Room) -> None:
    """Drop the oldest pieces while the file is too large. Raises sqlite3.Error."""
    for _ in range(CUTS):
        if archive.bytes_used() <= room.file_bytes:
            break
        if not archive.cut_oldest(MINUTE, CUT):
            archive.cut_oldest(HOUR, CUT)
    archive.shrink()
