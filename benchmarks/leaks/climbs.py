"""`python -m benchmarks.leaks.climbs [--seeds N]`: how many harmless series look like a climb of minutes (climb.py).

Each is of 96 hours, a row a minute, and is judged once as bytes and once as counts."""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.leaks.protocol import SETS
from benchmarks.leaks.series import MINUTES
from steadycast.model.series import Unit
from steadycast.tracking.leaks.climb import Climb

MB = 2.0**20


def climbs(values: list[float], unit: Unit) -> bool:
    """Whether it was ever told."""
    climb = Climb(unit)
    return any(
        (found := climb.update(60.0 * minute, value, {})) is not None and found.holds
        for minute, value in enumerate(values)
        if np.isfinite(value)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    seeds = parser.parse_args().seeds
    for unit, piece in ((Unit.BYTES, MB), (Unit.COUNT, 1.0)):
        told: list[str] = []
        families = [family for group in SETS.values() for family in group]
        for family in families:
            for seed in range(1000, 1000 + seeds):
                values = family(np.random.default_rng(seed), MINUTES).values
                if climbs([float(value) * piece for value in values], unit):
                    told.append(family.__name__)
        print(f"{unit}: {len(told)} of {len(families) * seeds} harmless series: {', '.join(told)}")


if __name__ == "__main__":
    main()
