"""Recorded cycles of real pipelines through the per-cycle detectors: what is found, at which cycle.

python -m benchmarks.leak_recordings FOLDER [--outside [--lose KB]] [--minutes M]

`--outside`: only RSS, PSS and private memory are looked at, as of a program that is not ours; `--lose`: so much more
with each cycle. `--minutes`: a cycle is as long.

FOLDER holds CSV files of one row a cycle: `cycle`, `t` (seconds), `inuse` and `free` (bytes of the allocator; -1: not
known), `priv_kb`, `pss_kb`, `rss_kb`, `threads`, `py_blocks`, and `fd_*` (descriptors by kind).
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from steadycast.model.findings import FindingChange
from steadycast.model.series import Look, Measured, Owner, Resource
from steadycast.tracking.leaks.detection import Detection

KB = 1024.0
_BYTES = {"inuse": (Resource.IN_USE, 1), "free": (Resource.RETAINED, 1), "priv_kb": (Resource.PRIVATE, KB)}
_OUTSIDE = {"rss_kb": (Resource.RSS, KB), "pss_kb": (Resource.PSS, KB), "priv_kb": (Resource.PRIVATE, KB)}
_COUNTS = {"threads": Resource.THREADS, "py_blocks": Resource.PYTHON}


def looks(path: Path) -> Iterator[Look]:
    """One for each row."""
    owner = Owner(path.stem, "1:1", 1)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for row in csv.DictReader(file):
            values: dict[Measured, float] = {}
            for name, text in row.items():
                number = float(text)
                if number < 0:
                    continue
                if name in _BYTES:
                    resource, scale = _BYTES[name]
                    values[Measured(resource)] = number * scale
                elif name in _COUNTS:
                    values[Measured(_COUNTS[name])] = number
                elif name.startswith("fd_"):
                    values[Measured(Resource.DESCRIPTORS, name[3:])] = number
            when = float(row["t"])
            yield Look(owner, 1.8e9 + when, when, values, finished={"pipeline": int(row["cycle"]) + 1}, quiet=True)


def outside(path: Path, lose: float) -> Iterator[Look]:
    """The same as seen from outside, with `lose` bytes more in each row."""
    owner = Owner(path.stem, "1:1", 1)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for at, row in enumerate(csv.DictReader(file)):
            values = {Measured(of): float(row[name]) * scale + lose * at for name, (of, scale) in _OUTSIDE.items()}
            when = float(row["t"])
            yield Look(owner, 1.8e9 + when, when, values, finished={"pipeline": int(row["cycle"]) + 1}, quiet=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pattern", default="gst_cycles_*.csv*")
    parser.add_argument("--outside", action="store_true")
    parser.add_argument("--lose", type=float, default=0.0, metavar="KB")
    parser.add_argument("--minutes", type=float)
    options = parser.parse_args()
    for path in sorted(options.folder.glob(options.pattern)):
        detection, told = Detection(), []
        for cycle, look in enumerate(outside(path, options.lose * KB) if options.outside else looks(path)):
            if options.minutes is not None:
                when = 60.0 * options.minutes * (cycle + 1)
                look = replace(look, at=1.8e9 + when, monotonic=when)
            told += [(cycle, event) for event in detection.observe(look)]
        print(f"{path.stem}: {'quiet' if not told else ''}")
        for cycle, event in told:
            if event.change in (FindingChange.OPENED, FindingChange.CONFIRMED, FindingChange.CLOSED):
                print(f"  cycle {cycle}: {event.change}: {event.finding.headline}")


if __name__ == "__main__":
    main()
