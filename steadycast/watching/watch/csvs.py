"""Tables of other tools: a column of times and columns of values, with whatever is wrong with them.

Times may be seconds, milliseconds, microseconds or nanoseconds since 1970, seconds from a beginning, or dates (ISO 8601
and the like). Values may have units (`12.5 MB`, `1 GiB`, `50%`) and thousands' marks. What cannot be read is left out
and counted.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import IO

from steadycast.errors import ConfigError
from steadycast.model import Resource
from steadycast.watching.watch.columns import UNITS, Column
from steadycast.watching.watch.exported import EXPORTED, MEDIAN, Exported, is_exported
from steadycast.watching.watch.words import number_of

MOST_ROWS = 20_000_000
COLUMNS = 256
LEAST = 3  # rows of a series that are worth a look
HEAD = 1 << 14  # characters that tell delimiter and header
_TIMES = re.compile(r"^(time|timestamp|date|datetime|ts|at|t|seconds?|sec|epoch|when|elapsed.*|time[ _(\[].*)$", re.I)
_NUMBER = re.compile(r"^\s*([-+]?(?:\d[\d,_ ]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z%]*)\s*$")
_CLOCK = re.compile(r"^(\d{1,3}):(\d\d)(?::(\d\d(?:\.\d+)?))?$")
_DAY = 86_400.0
_COUNTED = re.compile(r"\b(fds?|descriptors?|handles?|threads?|sockets?|processes|objects?|count)\b", re.I)
_BYTES = re.compile(r"mem|rss|pss|uss|heap|vram|bytes|[kmg]i?b\b", re.I)
_SCALES = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))  # from which on a time is in ns, us, ms


@dataclass(frozen=True, slots=True)
class Table:
    """`time` is the column of times; `notes` say what was left out. `dated`: times are Unix seconds, not only from a
    beginning."""

    columns: tuple[Column, ...]
    dated: bool
    notes: tuple[str, ...]
    time: str


def read_table(path: Path, time: str | None = None) -> Table:
    """Raises ConfigError that says why, where nothing could be judged. `time` names the column of times."""
    try:
        with (
            gzip.open(path, "rt", errors="replace", newline="")
            if path.suffix == ".gz"
            else path.open(errors="replace", newline="") as file
        ):
            return _read(path, file, time)
    except (EOFError, zlib.error):
        what = f"{path} is compressed, and damaged or cut off."
        raise ConfigError("analyze.file", what, hint="`zcat FILE > table.csv` saves what can be read of it.") from None
    except OSError as error:
        raise ConfigError("analyze.file", f"{path} cannot be read: {error.strerror or error}.") from None
    except csv.Error as error:
        raise ConfigError("analyze.csv", f"{path} is no table: {error}.", hint=_HINT) from None


_HINT = "A first line with names, then a column of times and columns of values."


def _read(path: Path, file: IO[str], time: str | None) -> Table:
    head = file.read(HEAD)
    if not head.strip() or "\0" in head:
        raise ConfigError("analyze.csv", f"{path} is {'binary' if head.strip() else 'empty'}.", hint=_HINT)
    file.seek(0)
    rows = csv.reader(file, delimiter=_delimiter(head))
    first = next(rows)
    if all(_number(cell) is not None or _time(cell) is not None for cell in first if cell.strip()):
        raise ConfigError("analyze.header", f"{path} has no line with names.", hint=_HINT)
    if is_exported(first):
        return _exported(path, rows)
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(first[:COLUMNS], 1)]
    place = _time_place(path, names, time)
    columns = [Column(name, _resource(name)) for name in names]
    no_time = _fill(rows, columns, place)
    kept = [column for number, column in enumerate(columns) if number != place and len(column.times) >= LEAST]
    if not kept:
        raise _too_few(path, [column for number, column in enumerate(columns) if number != place])
    dated = kept[0].times[0] > 1e8
    notes = (*_notes(columns, place, no_time), *_clock_notes(max(kept, key=lambda one: len(one.times)).times))
    return Table(tuple(_ordered(column) for column in kept), dated, notes, names[place])


def _too_few(path: Path, columns: list[Column]) -> ConfigError:
    most = max((len(column.times) for column in columns), default=0)
    what = f"{path} has no column with at least {LEAST} numbers at known times (most: {most})."
    return ConfigError("analyze.rows", what, hint=_HINT)


def _exported(path: Path, rows: Iterator[list[str]]) -> Table:
    """What `steadycast history export` wrote."""
    found, no_time = Exported(), 0
    for count, row in enumerate(rows):
        at = _time(row[0]) if len(row) == len(EXPORTED) else None
        if at is None or count >= MOST_ROWS:
            no_time += 1
        else:
            found.take(at, row, _plain(row[MEDIAN]))
    columns = list(found.columns())
    kept = [column for column in columns if len(column.times) >= LEAST]
    if not kept:
        raise _too_few(path, columns)
    notes = [f"{number_of(no_time, 'row')} without a time left out"] if no_time else []
    notes += [f"{number_of(found.unknown, 'row')} of what this version does not know left out"] if found.unknown else []
    notes += [f"{len(found.left_out):,} series too many: export fewer with --role"] if found.left_out else []
    return Table(tuple(_ordered(column) for column in kept), True, tuple(notes), EXPORTED[0])


def _fill(rows: Iterator[list[str]], columns: list[Column], place: int) -> int:
    """Answers with how many rows had no time."""
    no_time, clock = 0, _Clock()
    others = [(number, column) for number, column in enumerate(columns) if number != place]
    for count, row in enumerate(rows):
        if count >= MOST_ROWS:
            break
        at = clock.time(row[place]) if place < len(row) else None
        if at is None:
            no_time += any(cell.strip() for cell in row)
            continue
        for number, column in others:
            if number < len(row):
                _take(column, at, row[number])
    return no_time


def _take(column: Column, at: float, cell: str) -> None:
    value = _plain(cell)
    if value is None and (found := _sized(cell)) is not None:
        value, sized = found
        column.sized = column.sized or sized
    if value is None:
        column.left_out += bool(cell.strip())
    else:
        column.times.append(at)
        column.values.append(value)


class _Clock:
    """Times of day go on after midnight."""

    def __init__(self) -> None:
        self._days = 0
        self._last = 0.0

    def time(self, cell: str) -> float | None:
        found = _CLOCK.match(cell.strip())
        if found is None:
            return _time(cell)
        seconds = int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3] or 0)
        if seconds < self._last - _DAY / 2:
            self._days += 1
        self._last = seconds
        return seconds + self._days * _DAY


def _ordered(column: Column) -> Column:
    """In the order of time; of two values of one time the later row counts."""
    if all(one < other for one, other in zip(column.times, column.times[1:], strict=False)):
        return column
    by_time = dict(zip(column.times, column.values, strict=True))
    times = sorted(by_time)
    return replace(column, times=times, values=[by_time[at] for at in times])


def _clock_notes(times: list[float]) -> Iterator[str]:
    """What is done about rows that do not follow each other in time."""
    back = [before - after for before, after in pairwise(times) if after < before]
    if back:
        often = "once" if len(back) == 1 else f"{len(back):,} times"
        yield f"time goes back {often}, by {max(back):,.0f} s at most: rows are taken in the order of their times"
    if (same := len(times) - len(set(times))) > 0:
        yield f"{number_of(same, 'row')} with the time of another: the later one counts"


def _notes(columns: list[Column], place: int, no_time: int) -> tuple[str, ...]:
    notes = [f"{number_of(no_time, 'row')} without a time left out"] if no_time else []
    for number, column in enumerate(columns):
        if number == place:
            continue
        if len(column.times) < LEAST:
            notes.append(f"column {column.name!r} has {number_of(len(column.times), 'number')}: not judged")
        elif column.left_out:
            notes.append(f"column {column.name!r}: {number_of(column.left_out, 'cell')} without a number left out")
    return tuple(notes[:COLUMNS])


def _delimiter(head: str) -> str:
    line = next((line for line in head.splitlines() if line.strip()), "")
    return max(",;\t|", key=line.count)


def _time_place(path: Path, names: list[str], time: str | None) -> int:
    if time is not None:
        if time not in names:
            have = ", ".join(names[:20])
            raise ConfigError("analyze.time", f"{path} has no column {time!r}.", hint=f"There are: {have}.")
        return names.index(time)
    return next((number for number, name in enumerate(names) if _TIMES.match(name)), 0)


def _resource(name: str) -> Resource:
    """Counts are judged exactly, so a name has to say that it is one."""
    plain = re.sub(r"[_\-.]+", " ", name)
    if re.search(r"\bthreads?\b", plain, re.I):
        return Resource.THREADS
    if _COUNTED.search(plain):
        return Resource.DESCRIPTORS
    if re.search(r"\b(vram|gpu|fb)\b", plain, re.I) and _BYTES.search(plain):
        return Resource.VRAM
    if re.search(r"\b(in use|allocated|malloc)\b", plain, re.I):
        return Resource.IN_USE
    return Resource.PRIVATE if _BYTES.search(plain) else Resource.OTHER


def _plain(cell: str) -> float | None:
    """The usual cell, quickly."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _sized(cell: str) -> tuple[float, bool] | None:
    """A number with a unit or marks of thousands, and whether the unit is one of size."""
    found = _NUMBER.match(cell)
    if found is None or found[2].lower() not in UNITS:
        return None
    return float(re.sub(r"[,_ ]", "", found[1])) * UNITS[found[2].lower()], found[2] not in ("", "%")


def _number(cell: str) -> float | None:
    found = _sized(cell)
    return _plain(cell) if found is None else found[0]


def _time(cell: str) -> float | None:
    number = _plain(cell)
    if number is not None:
        return next((number / scale for least, scale in _SCALES if number >= least), number)
    text = cell.strip().replace("/", "-")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
