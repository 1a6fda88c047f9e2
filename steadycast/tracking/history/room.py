"""How much is kept, and how much is there."""

from __future__ import annotations

from dataclasses import dataclass

MiB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Room:
    """Bounds of a history.

    `journal_rows` are flushes (with every value: 1,440 of 5 s are two hours); `minute_hours` and `hour_days` are pieces
    of each series; `file_bytes` is what the file may take: the oldest minutes go first; `waiting` is how many values
    are held while nothing can be written, `minutes_waiting` how many minutes of a series; `epochs` are lives of one
    role that are remembered. Minutes are saved each `save_s` seconds.
    """

    journal_rows: int = 1_440
    minute_hours: int = 14 * 24
    hour_days: int = 5 * 365
    series: int = 4_000
    file_bytes: int = 512 * MiB
    waiting: int = 200_000
    minutes_waiting: int = 60
    epochs: int = 256
    save_s: float = 600.0


@dataclass(frozen=True, slots=True)
class HistoryCounts:
    """Of one history, since it was opened.

    `lost` are values that could not be kept, `broken` pieces that could not be read; `fault` is why the last write
    failed, None where it did not; `file_bytes` None where it cannot be told.
    """

    series: int
    series_dropped: int
    waiting: int
    lost: int
    broken: int
    file_bytes: int | None
    fault: str | None
