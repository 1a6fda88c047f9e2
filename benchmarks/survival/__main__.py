"""`python -m benchmarks.survival [--rounds N] [--part NAME]`: prints Markdown tables; compare figures of one run only.

Parts: recycle, worker, control, egress, crowd (heartbeats, and adoption), receipts, stop, cycles.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

from benchmarks.survival.away import control, egress
from benchmarks.survival.crowd import crowd
from benchmarks.survival.cycles import cycles
from benchmarks.survival.ends import stop
from benchmarks.survival.receipts import receipts
from benchmarks.survival.replaced import killed, recycle

ROUNDS = 12
CYCLES = 30
WORKERS = 50


def parts(rounds: int, size: tuple[int, int], workers: int, count: int) -> dict[str, Callable[[], None]]:
    """What can be run, by name, in order."""
    return {
        "recycle": lambda: recycle(rounds, size),
        "worker": lambda: killed(rounds, size),
        "control": lambda: control(rounds, size),
        "egress": lambda: egress(rounds, size),
        "crowd": lambda: crowd(rounds, workers),
        "receipts": lambda: receipts(rounds),
        "stop": lambda: stop(2 * rounds, size),
        "cycles": lambda: cycles(count),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--workers", type=int, default=WORKERS, help="that are adopted")
    parser.add_argument("--cycles", type=int, default=CYCLES)
    parser.add_argument("--part", action="append", help="only this one; may be given more than once")
    words = parser.parse_args()
    width, height = (int(word) for word in words.size.split("x"))
    all_parts = parts(words.rounds, (width, height), words.workers, words.cycles)
    if unknown := set(words.part or ()) - set(all_parts):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(all_parts)}")
    for name in words.part or all_parts:
        began, load = time.monotonic(), os.getloadavg()[0]
        all_parts[name]()
        print(f"{name}: {time.monotonic() - began:.0f} s; load {load:.1f} before it\n", flush=True)


if __name__ == "__main__":
    main()
