"""How often a spare worker is there for a lobby: `python -m benchmarks.spare_workers [--lobbies N] [--spares N]`.

Lobbies are created and deleted as they come to a busy host: exponential times between them and of their lives, seeded.
"""

from __future__ import annotations

import argparse
import heapq
import random
import time

from benchmarks.measuring import show_table
from tests.support.host import Host, running_host, wait_for

SOURCE = {"kind": "test", "width": 320, "height": 240, "fps": 15}
LIVES_S = 5.0


def pool(host: Host) -> dict[str, float]:
    items = host.get("/api/v1/pools")["items"]
    found: dict[str, float] = next(one for one in items if one["name"] == "spare lobby workers")
    return found


def churn(spares: int, lobbies: int, every_s: float, seed: int) -> list[object]:
    """A row of the table."""
    rolls = random.Random(seed)
    waits: list[float] = []
    with running_host(f"[workers]\nspares = {spares}\n") as host:
        wait_for("all spares", lambda: pool(host)["idle"] == spares)
        ends: list[tuple[float, str]] = []
        for number in range(lobbies):
            time.sleep(rolls.expovariate(1 / every_s))
            while ends and ends[0][0] <= time.monotonic():
                host.delete(heapq.heappop(ends)[1])
            began = time.monotonic()
            lobby = str(host.create(f"Lobby {number}", SOURCE)["id"])
            host.wait_state(lobby, "STREAMING")
            waits.append(1000 * (time.monotonic() - began))
            heapq.heappush(ends, (time.monotonic() + rolls.expovariate(1 / LIVES_S), lobby))
        told = pool(host)
        for _, lobby in ends:
            host.delete(lobby)
    waits.sort()
    p50, p95 = waits[len(waits) // 2], waits[int(len(waits) * 0.95)]
    reuse = f"{100 * told['reuse']:.0f} %" if told["reuse"] is not None else "-"
    return [spares, lobbies, f"{every_s:g} s", reuse, f"{p50:.0f}", f"{p95:.0f}"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lobbies", type=int, default=60)
    arguments.add_argument("--every", type=float, default=1.5, help="mean seconds between two")
    arguments.add_argument("--spares", default="0,1,2")
    chosen = arguments.parse_args()
    rows = [churn(int(spares), chosen.lobbies, chosen.every, 1) for spares in chosen.spares.split(",")]
    columns = ["spares", "lobbies", "a new one each", "found a spare", "until it streams, p50 ms", "p95"]
    show_table("Lobbies that come and go, test picture", columns, rows)


if __name__ == "__main__":
    main()
