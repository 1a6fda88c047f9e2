"""What leak detection costs: microseconds for each value of a look, and bytes for each series.

python -m benchmarks.leaks_cost [--owners 100] [--looks 600]
"""

from __future__ import annotations

import argparse
import json
import random
import time
import tracemalloc

from steadycast.model.series import Bound, Look, Measured, Owner, Resource
from steadycast.tracking.leaks.detection import Detection

MB = 1 << 20
_KINDS = ("socket", "pipe", "anon_inode:[eventfd]", "file", "device")


def values(rolls: random.Random) -> dict[Measured, float]:
    """As of a worker: 5 kinds of descriptors, 8 names of threads, children, seven kinds of memory."""
    found: dict[Measured, float] = {Measured(Resource.DESCRIPTORS, kind): 4 + rolls.randint(0, 1) for kind in _KINDS}
    found.update({Measured(Resource.THREADS, f"worker-{n}"): 1 for n in range(8)})
    found[Measured(Resource.DESCRIPTORS)] = 22
    found[Measured(Resource.THREADS)] = 8
    found[Measured(Resource.CHILDREN)] = 0
    found[Measured(Resource.ZOMBIES)] = 0
    for resource in (Resource.PRIVATE, Resource.PSS, Resource.RSS, Resource.IN_USE, Resource.RETAINED, Resource.VRAM):
        found[Measured(resource)] = 80 * MB + rolls.gauss(0, 100_000)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--owners", type=int, default=100)
    parser.add_argument("--looks", type=int, default=600, help="of each owner, one a second")
    parser.add_argument("--cycle", type=int, default=30, help="seconds from one finished session to the next")
    options = parser.parse_args()
    rolls = random.Random(1)
    pool = [values(rolls) for _ in range(64)]
    owners = [Owner(f"worker/{n}", f"{1000 + n}:1", 1000 + n) for n in range(options.owners)]
    tracemalloc.start()
    detection, before = Detection(), tracemalloc.get_traced_memory()[0]
    for owner in owners:
        detection.observe(Look(owner, 1.8e9, 0.0, pool[0], finished={"session": 1}, quiet=True))
    series = detection.statistics().series
    each = (tracemalloc.get_traced_memory()[0] - before) / series
    print(f"{len(owners)} owners, {series} series, {each:,.0f} B each")
    tracemalloc.stop()
    began, count, descriptors = time.process_time(), 0, Measured(Resource.DESCRIPTORS)
    for second in range(1, options.looks + 1):
        for number, owner in enumerate(owners):
            held = pool[(second + number) % 64]
            ended = {"session": 1 + (second + number) // options.cycle}
            bounds = (Bound("RLIMIT_NOFILE", descriptors, 1024, held[descriptors]),)
            detection.observe(Look(owner, 1.8e9 + second, float(second), held, finished=ended, quiet=True), bounds)
            count += len(held)
    took = time.process_time() - began
    looks = options.looks * len(owners)
    print(f"{looks:,} looks, {count:,} values: {1e6 * took / looks:.0f} us a look, {1e6 * took / count:.2f} us a value")
    print(f"{100 * took / options.looks:.1f} % of a core for {len(owners)} owners looked at once a second")
    print(f"{len(json.dumps(detection.saved())) / 1024:,.0f} KB saved; {detection.statistics()}")


if __name__ == "__main__":
    main()
