"""Every leaky program, with and without its loss: at which cycle each is named, and what is said without.

python -m benchmarks.leaky_targets [--cycles 500] [--gpu] [KIND ...]
"""

from __future__ import annotations

import argparse
import time

from steadycast.model.findings import FindingChange
from tests.support.leaky.driven import Absent, Leaky, gpu_memory, measured, watch
from tests.support.leaky.gpu import KINDS as GPU
from tests.support.leaky.program import KINDS

ROW = "{:<14} {:>9} {:>9} {:>11} {:>6}  {}"


def lossy(kind: str, cycles: int, every: int) -> tuple[str, str, str]:
    """Cycles at which it was named and confirmed, and the line for a person."""
    outside = gpu_memory if kind in GPU else measured
    with Leaky(kind, "--lose", "--every", str(every)) as program:
        events, detection = watch(program, cycles, (FindingChange.CONFIRMED,), outside)
    at = {event.change: str(cycle) for cycle, event in reversed(events)}
    found = detection.findings()
    said = "".join(f"{one.headline}; {one.sources[0].what if one.sources else ''}" for one in found[:1])
    return at.get(FindingChange.OPENED, "-"), at.get(FindingChange.CONFIRMED, "-"), said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=None)
    parser.add_argument("--cycles", type=int, default=500)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--gpu", action="store_true", help="the kinds for a GPU only")
    options = parser.parse_args()
    kinds = options.kinds or (sorted(GPU) if options.gpu else sorted(KINDS.keys() - GPU.keys()))
    print(ROW.format("kind", "named at", "confirmed", "without it", "s", "said"))
    for kind in kinds:
        began = time.monotonic()
        try:
            opened, confirmed, said = lossy(kind, options.cycles, options.every)
            with Leaky(kind) as program:
                events, _ = watch(program, options.cycles, (), gpu_memory if kind in GPU else measured)
        except Absent as absent:
            print(ROW.format(kind, "-", "-", "-", "", f"not run: {absent}"))
            continue
        calm = "quiet" if not events else f"{len(events)} events"
        print(ROW.format(kind, opened, confirmed, calm, f"{time.monotonic() - began:.0f}", said), flush=True)


if __name__ == "__main__":
    main()
