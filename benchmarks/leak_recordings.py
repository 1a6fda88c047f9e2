"""Recorded cycles of real pipelines through the per-cycle detectors: what is found, at which cycle.

python -m benchmarks.leak_recordings FOLDER

FOLDER holds CSV files of one row a cycle: `cycle`, `t` (seconds), `inuse` and `free` (bytes of the allocator; -1: not
known), `priv_kb`, `threads`, `py_blocks`, and `fd_*` (descriptors by kind).
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

from steadycast.model.findings import FindingChange
from steadycast.model.series import Look, Measured, Owner, Resource
from steadycast.tracking.leaks.detection import Detection

_BYTES = {"inuse": (Resource.IN_USE, 1), "free": (Resource.RETAINED, 1), "priv_kb": (Resource.PRIVATE, 1024)}
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pattern", default="gst_cycles_*.csv*")
    options = parser.parse_args()
    for path in sorted(options.folder.glob(options.pattern)):
        detection, told = Detection(), []
        for cycle, look in enumerate(looks(path)):
            told += [(cycle, event) for event in detection.observe(look)]
        print(f"{path.stem}: {'quiet' if not told else ''}")
        for cycle, event in told:
            if event.change in (FindingChange.OPENED, FindingChange.CONFIRMED, FindingChange.CLOSED):
                print(f"  cycle {cycle}: {event.change}: {event.finding.headline}")


if __name__ == "__main__":
    main()
