"""From DELETE of a lobby that is watched until its answer, which has the receipts."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from benchmarks.measuring import show_table
from benchmarks.moves import spread
from benchmarks.survival.audience import DEADLINE_S, FIRST, streaming, wait_spare
from benchmarks.survival.replaced import COLUMNS, CONFIG, sources
from tests.support.host import Host, running_host, wait_for
from tests.support.pictures import Reading

GOAL = "p99 300"


def stop(rounds: int, size: tuple[int, int]) -> None:
    """All workers of a lobby (a desktop has two), with a spare that is started before."""
    rows: list[list[Any]] = []
    with running_host(CONFIG) as host:
        for name, source in sources(size).items():
            _deleted(host, source)  # the first start of its programs
            times = [_deleted(host, source) for _ in range(rounds)]
            rows.append([name, rounds, *spread(times), GOAL])
    show_table("Stop to receipt, with a viewer over RTSP", COLUMNS, rows)


def _deleted(host: Host, source: dict[str, Any]) -> float:
    lobby = streaming(host, source)
    viewer = Reading(f"{host.rtsp}/{lobby}")
    try:
        viewer.play()
        wait_for("frames", lambda: len(viewer.moments) > FIRST, DEADLINE_S)
        wait_spare(host)
        began = time.monotonic()
        deleted = host.delete(lobby)
        took = time.monotonic() - began
    finally:
        with contextlib.suppress(OSError):  # the host ended its connection
            viewer.close()
    assert deleted["state"] == "DESTROYED" and deleted["receipts"], deleted
    assert all(receipt["clean"] for receipt in deleted["receipts"]), deleted
    return took * 1000
