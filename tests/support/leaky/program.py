"""Runs one kind of cycle on command: `python -m tests.support.leaky.program KIND [--lose] [--every N] [--size BYTES]`.

A line `N` on stdin lets N cycles come and go; the answer is one line of JSON with what malloc has handed out. The end
of stdin ends it. Where the machine has not what a kind needs, it says so and ends with 77.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable

from steadycast.workers.allocator import allocated
from tests.support.leaky import gpu, memory, pipelines, things
from tests.support.leaky.kinds import Kind, Missing

KINDS: dict[str, Callable[[int], Kind]] = {**things.KINDS, **memory.KINDS, **pipelines.KINDS, **gpu.KINDS}
MISSING = 77


def churn(rolls: random.Random) -> None:
    """What any program does beside: memory of many sizes comes and goes."""
    held = [bytearray(rolls.randint(100, 200_000)) for _ in range(rolls.randint(2, 12))]
    rolls.shuffle(held)
    del held[::2]


def answer(told: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--lose", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--size", type=int, default=65536)
    options = parser.parse_args()
    try:
        kind = KINDS[options.kind](options.size)
    except Missing as error:
        answer({"missing": str(error)})
        return MISSING
    rolls, cycles = random.Random(1), 0
    answer({"cycles": 0, **allocated()})
    for line in sys.stdin:
        for _ in range(int(line)):
            cycles += 1
            kind.cycle(options.lose and cycles % options.every == 0)
            churn(rolls)
        answer({"cycles": cycles, **allocated()})
    kind.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
