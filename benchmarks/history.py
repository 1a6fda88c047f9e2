"""What it costs to keep what was measured: bytes on disk a series and year, time a look, a flush and a picture.

`python -m benchmarks.history` makes a file of many series in a folder of its own, with values of real kinds (memory in
pages that wanders, counts that mostly stand still), and measures it beside the plain way: a row a value.
"""

from __future__ import annotations

import argparse
import random
import resource
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measuring import show_table
from steadycast.model import Look, Measured, Owner, Resource
from steadycast.tracking.history.buckets import DAY, HOUR, MINUTE
from steadycast.tracking.history.history import History
from steadycast.tracking.history.pictures import picture
from steadycast.tracking.history.room import Room

START = 1_750_000_000 // DAY * DAY
EACH = 20  # series of an owner
FLUSH_S = 5
YEAR = 365 * DAY


def looks(owners: int, step: float, span: float) -> Iterator[list[Look]]:
    """All owners, each `step` seconds."""
    rng = random.Random(1)
    levels = [[rng.randrange(10_000, 100_000) for _ in range(EACH)] for _ in range(owners)]
    measured = [
        Measured(Resource.PRIVATE, str(number)) if number < EACH // 2 else Measured(Resource.DESCRIPTORS, str(number))
        for number in range(EACH)
    ]
    at = float(START)
    while at < START + span:
        found = []
        for number, level in enumerate(levels):
            for place in range(EACH):
                if place < EACH // 2:
                    level[place] += rng.randrange(-50, 51)
                elif rng.random() < 0.01:
                    level[place] += rng.randrange(-1, 2)
            values = {
                what: float(level[place] * 4096 if place < EACH // 2 else level[place] % 50)
                for place, what in enumerate(measured)
            }
            found.append(Look(Owner(f"lobby:{number}", f"{number}:1"), at, at, values))
        yield found
        at += step


def fine(owners: int) -> list[list[object]]:
    """An hour of looks each second."""
    with TemporaryDirectory(prefix="sc-history-") as folder:
        history = History(Path(folder) / "history.db")
        adding = flushing = longest = 0.0
        count = 0
        for number, found in enumerate(looks(owners, 1, HOUR)):
            began = time.perf_counter()
            for look in found:
                history.add(look)
            adding += time.perf_counter() - began
            count += sum(len(look.values) for look in found)
            if number % FLUSH_S == 0:
                began = time.perf_counter()
                history.flush(number)
                took = time.perf_counter() - began
                flushing, longest = flushing + took, max(longest, took)
        counts = history.statistics()
        assert counts.lost == 0
        rows: list[list[object]] = [
            ["series", owners * EACH],
            ["us to add a value", round(adding / count * 1e6, 2)],
            ["of a core, adding and writing, at a look a second", f"{(adding + flushing) / HOUR:.2%}"],
            ["ms a flush, longest (with minutes saved)", round(longest * 1000)],
            ["bytes a value in the journal", round((counts.file_bytes or 0) / count, 1)],
        ]
        known = history.series()[0]
        for name, span in (("10 min", 600), ("1 h", HOUR)):
            began = time.perf_counter()
            picture(history, known, START + HOUR - span, START + HOUR, 600)
            rows.append([f"ms for a picture of {name}", round((time.perf_counter() - began) * 1000, 1)])
        history.close()
        began = time.perf_counter()
        History(Path(folder) / "history.db").close()
        rows.append(["ms to open it again", round((time.perf_counter() - began) * 1000)])
        return rows


def coarse(owners: int, days: int) -> list[list[object]]:
    """Days of looks each minute, and what a year takes."""
    with TemporaryDirectory(prefix="sc-history-") as folder:
        history = History(Path(folder) / "history.db", Room(journal_rows=2))
        plain = sqlite3.connect(Path(folder) / "plain.db", isolation_level=None)
        plain.execute("CREATE TABLE samples (series INTEGER, at REAL, value REAL)")
        plain.execute("CREATE INDEX by_series ON samples (series, at)")
        plain.execute("BEGIN")
        for number, found in enumerate(looks(owners, MINUTE, days * DAY)):
            for place, look in enumerate(found):
                history.add(look)
                rows = [(place * EACH + column, look.at, value) for column, value in enumerate(look.values.values())]
                plain.executemany("INSERT INTO samples VALUES (?, ?, ?)", rows)
            if number % 10 == 0:
                history.flush(number * MINUTE)
        plain.execute("COMMIT")
        history.save()
        series, minutes = owners * EACH, days * DAY / MINUTE
        used = history.statistics().file_bytes or 0
        each = used / series / minutes
        ((pages,),), ((size,),) = plain.execute("PRAGMA page_count"), plain.execute("PRAGMA page_size")
        began = time.perf_counter()
        picture(history, history.series()[0], START, START + days * DAY, 1000)
        took = time.perf_counter() - began
        history.close()
        plain.close()
    hour_each = each  # a bucket of an hour takes what one of a minute takes
    year = 14 * DAY / MINUTE * each + YEAR / HOUR * hour_each
    return [
        ["bytes a minute of a series", round(each, 1)],
        ["a row a value, bytes", round(pages * size / series / minutes, 1)],
        ["ratio", round(pages * size / used, 1)],
        ["KiB a series: 14 days of minutes and a year of hours", round(year / 1024)],
        ["MiB a year for 1,000 series", round(year * 1000 / 1024 / 1024)],
        ["ms for a picture of these days", round(took * 1000, 1)],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--owners", type=int, default=50, help=f"with {EACH} series each")
    parser.add_argument("--days", type=int, default=7)
    given = parser.parse_args()
    show_table("A look a second, for an hour", ["what", "measured"], fine(given.owners))
    show_table("A look a minute", ["what", "measured"], coarse(max(1, given.owners // 10), given.days))
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()
