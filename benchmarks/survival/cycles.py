"""Lobbies are created, streamed and stopped many times; what the host holds is counted before and after."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.measuring import show_table
from benchmarks.survival.audience import wait_spare
from tests.support.host import Census, Host, running_host, wait_for
from tests.support.rtsp_viewer import RtspViewer
from tests.support.whep_watcher import whep_watching

SOURCE = {"kind": "test", "width": 320, "height": 240}
CONFIG = "[workers]\nspares = 1\n[renditions]\nlinger_s = 1\n[recycle]\nlook_s = 3600\n"
FRAMES = 5
WARM_UP = 1 / 3  # of the cycles that count: rings of events and receipts fill meanwhile
SAMPLES = 40  # of memory, over the cycles that count
SETTLED_S = 60.0
# Two-sided 95 % of Student's t with 38 degrees of freedom; for fewer samples it would be more, so that is an estimate.
T = 2.02


@dataclass(frozen=True)
class Sample:
    """What is held after so many cycles, MiB. `own` has no other process (USS); what is shared weighs the more in the
    rest of PSS the fewer share it, so that PSS also moves when other hosts on the machine come and go."""

    cycle: int
    control: float
    control_own: float
    egress: float
    egress_own: float


@dataclass(frozen=True)
class Balance:
    """What is held once nothing is on its way."""

    census: Census
    egress_descriptors: int
    egress_threads: int
    memory: Sample


def take(host: Host, egress: psutil.Process, cycle: int) -> Sample:
    """Memory now."""
    found = []
    for pid in (host.process.pid, egress.pid):
        memory = psutil.Process(pid).memory_full_info()
        found += [memory.pss / 2**20, memory.uss / 2**20]
    return Sample(cycle, *found)


def balance(host: Host, egress: psutil.Process, cycle: int) -> Balance:
    """Once two looks in a row see the same."""
    wait_spare(host)
    last: list[Census] = []

    def settled() -> bool:
        last.append(host.census())
        return len(last) > 1 and last[-1] == last[-2]

    wait_for("a settled host", settled, SETTLED_S, 0.5)
    return Balance(last[-1], egress.num_fds(), egress.num_threads(), take(host, egress, cycle))


def one_cycle(host: Host, number: int) -> None:
    """Created, watched over WHEP or over RTSP, by turns, stopped with clean receipts."""
    lobby = host.create("Cycle", SOURCE)["id"]
    if number % 2:
        with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
            viewer.play()
            viewer.receive_frames(FRAMES)
    else:
        with whep_watching(host, lobby) as watcher:
            watcher.frames_more(FRAMES)
    deleted = host.delete(lobby)
    assert deleted["state"] == "DESTROYED", deleted
    assert all(receipt["clean"] for receipt in deleted["receipts"]), deleted


def cycles(count: int) -> None:
    """So many, after a warm-up of a third as many more."""
    warm_up = max(5, round(count * WARM_UP))
    every = max(1, count // SAMPLES)
    with running_host(CONFIG) as host:
        egress = host.egress()
        first = balance(host, egress, 0)
        for number in range(warm_up):
            one_cycle(host, number)
        before, began = balance(host, egress, 0), time.monotonic()
        samples = []
        for number in range(count):
            one_cycle(host, number)
            if (number + 1) % every == 0:
                samples.append(take(host, egress, number + 1))
            if (number + 1) % 100 == 0:
                print(f"{number + 1} cycles, load {os.getloadavg()[0]:.1f}", flush=True)
        took = time.monotonic() - began
        after = balance(host, egress, count)
    title = f"{count} cycles of create, stream, stop ({took / count:.2f} s each), after {warm_up} to warm up"
    columns = ["", "at the start", "before", "after", "more", "goal", "a cycle (95 %)"]
    show_table(title, columns, [row(name, look, [first, before, after], goal) for name, look, goal in COUNTED])
    show_table("", columns, [_memory_row(*one, [first, before, after], samples) for one in MEMORY])


COUNTED: tuple[tuple[str, Callable[[Balance], int], str], ...] = (
    ("control plane, descriptors", lambda one: one.census.descriptors, "0"),
    ("control plane, threads", lambda one: one.census.threads, "0"),
    ("processes below it", lambda one: one.census.children, "0"),
    ("files in the runtime folder", lambda one: len(one.census.files), "0"),
    ("egress worker, descriptors", lambda one: one.egress_descriptors, "0"),
    ("egress worker, threads", lambda one: one.egress_threads, "0"),
)

MEMORY = (
    ("control plane, PSS MiB", "control", "1"),
    ("control plane, its own, MiB", "control_own", "1"),
    ("egress worker, PSS MiB", "egress", ""),
    ("egress worker, its own, MiB", "egress_own", ""),
)


def row(name: str, look: Callable[[Balance], int], balances: Sequence[Balance], goal: str) -> list[Any]:
    """At the start, before, after, and how many more."""
    values = [look(one) for one in balances]
    return [name, *values, values[-1] - values[-2], goal, ""]


def _memory_row(name: str, field: str, goal: str, balances: Sequence[Balance], samples: Sequence[Sample]) -> list[Any]:
    values = [float(getattr(one.memory, field)) for one in balances]
    slope, half = slope_of([one.cycle for one in samples], [getattr(one, field) * 1024 for one in samples])
    return [name, *values, values[-1] - values[-2], goal, f"{slope:+.2f} ± {half:.2f} KiB"]


def slope_of(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Least squares: the slope, and half of its interval of 95 %."""
    if len(x) < 3:
        return math.nan, math.nan
    line = statistics.linear_regression(x, y)
    errors = [b - line.intercept - line.slope * a for a, b in zip(x, y, strict=True)]
    mean = statistics.fmean(x)
    spread = math.sqrt(sum(e * e for e in errors) / (len(x) - 2) / sum((a - mean) ** 2 for a in x))
    return line.slope, T * spread
