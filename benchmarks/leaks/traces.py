"""Recorded series of others, where a folder with them is given: what each detector says of them. They are not part of
this project; docs/leaks.md says where such recordings can be had."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from benchmarks.leaks.series import Array, Made

Trace = tuple[str, Array, Array]  # name, seconds, values
TIMES = ("timestamp", "Time", "time", "currentTime")
VALUES = ("value", "Memory Usage", "vms_bytes", "usedMemory", "0")
NAMES = ("Process Name", "name")
LEAST = 100  # rows


def first(columns: list[str], wanted: tuple[str, ...]) -> str | None:
    return next((name for name in wanted if name in columns), None)


def traces(folder: Path) -> Iterator[Trace]:
    for path in sorted([*folder.glob("*.csv"), *folder.glob("*.csv.gz")]):
        if path.name.startswith("gst_cycles"):
            continue  # rows are cycles there, not times
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            yield from table(path.name.split(".csv")[0], csv.DictReader(lines))


def table(name: str, rows: csv.DictReader[str]) -> Iterator[Trace]:
    columns = list(rows.fieldnames or ())
    time, value, owner = first(columns, TIMES), first(columns, VALUES), first(columns, NAMES)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    if value is None:
        return
    for i, row in enumerate(rows):
        at = datetime.fromisoformat(row[time]).timestamp() if time else 60.0 * i
        found[row[owner] if owner else ""].append((at, float(row[value])))
    for who, pairs in found.items():
        if len(pairs) >= LEAST:
            pairs.sort()
            yield f"{name} {who}".strip(), np.array([a for a, _ in pairs]), np.array([v for _, v in pairs])


def by_minute(trace: Trace) -> Made:
    """For the rivals, which take one row a minute: the last value of each, scaled to a thousand megabytes."""
    name, times, values = trace
    minute = ((times - times[0]) / 60).astype(int)
    rows = np.full(int(minute[-1]) + 1, np.nan)
    rows[minute] = values
    scale = float(np.abs(values).mean())
    return Made(name, rows / scale * 1000 if scale else rows)
