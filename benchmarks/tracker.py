"""What watching costs: 100 processes once a second, each reader alone, and psutil reading less of the same.

    python -m benchmarks.tracker [--processes 100] [--seconds 20]

The processes are one program that forked: each has 24 descriptors of six kinds and 5 threads. `still`: they do nothing.
`changing`: each opens or closes a descriptor every second and touches 300 kB more or less, so that each is looked at in
full at each step.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.measuring import show_table
from steadycast.tracking.families import Identity
from steadycast.tracking.probes.cgroup import Cgroups, read
from steadycast.tracking.probes.descriptors import Descriptors, Shares
from steadycast.tracking.probes.process import Process, counts_by_size
from steadycast.tracking.probes.reading import Reading
from steadycast.tracking.probes.sampler import Sampler
from steadycast.tracking.probes.table import Table
from steadycast.tracking.probes.targets import Target
from steadycast.tracking.probes.threads import Threads

GOAL = 2.0  # percent of a core for 100 processes once a second
ROUNDS = 200
SETTLE_S = 12
_PROGRAM = """
import os, socket, sys, threading, time
count, changing = int(sys.argv[1]), sys.argv[2] == "changing"
for _ in range(count):
    if os.fork() == 0:
        break
else:
    print("ready", flush=True)
    sys.stdin.read()
    os.killpg(0, 9)
held = [os.memfd_create("frames") for _ in range(4)] + [os.eventfd(0) for _ in range(4)]
held += [socket.socket(socket.AF_UNIX) for _ in range(4)] + [os.open("/dev/null", os.O_RDONLY) for _ in range(4)]
held += [end for _ in range(4) for end in os.pipe()]
for number in range(4):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
kept = []
while True:
    time.sleep(1)
    if changing:
        if kept:
            os.close(kept.pop())
            block = None
        else:
            kept.append(os.memfd_create("more"))
            block = bytearray(300_000)
"""


@contextmanager
def program(processes: int, mode: str) -> Iterator[int]:
    """The pid of a program with so many children."""
    command = [sys.executable, "-S", "-c", _PROGRAM, str(processes), mode]
    one = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
    try:
        assert one.stdout is not None
        one.stdout.readline()
        yield one.pid
    finally:
        one.communicate()


def percent(step: Callable[[], object], seconds: float) -> float:
    """CPU of this process, all threads, in percent of a core, while `step` is done once a second."""
    for _ in range(SETTLE_S):  # what is read once is read, and what was new is not new any more
        step()
        time.sleep(1.0)
    began, cpu = time.monotonic(), time.process_time()
    due = began
    while time.monotonic() - began < seconds:
        step()
        due += 1.0
        time.sleep(max(0.0, due - time.monotonic()))
    return (time.process_time() - cpu) / (time.monotonic() - began) * 100


def by_psutil(pid: int) -> Callable[[], object]:
    """Memory, number of descriptors and of threads, state and name of the same processes; no kinds, no names."""
    known: dict[int, psutil.Process] = {}

    def step() -> None:
        for child in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            one = known.setdefault(child.pid, child)
            with one.oneshot():
                one.memory_full_info(), one.num_fds(), one.num_threads(), one.status(), one.name()

    return step


def light_psutil(pid: int) -> Callable[[], object]:
    """As above, with RSS in place of PSS: nothing that walks page tables."""
    known: dict[int, psutil.Process] = {}

    def step() -> None:
        for child in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            one = known.setdefault(child.pid, child)
            with one.oneshot():
                one.memory_info(), one.num_fds(), one.num_threads(), one.status(), one.name()

    return step


def rounds(processes: int, seconds: float) -> None:
    """The whole sampler against psutil: as one tree whose children of one name are summed, and as a target each."""
    rows = []
    for mode, apart in (("still", False), ("changing", False), ("changing", True)):
        with program(processes, mode) as pid:
            children = psutil.Process(pid).children()
            each = [Target(f"worker:{child.pid}", pid=child.pid) for child in children]
            sampler = Sampler(each if apart else [Target("server", pid=pid)])
            ours = percent(sampler.sample, seconds)
            watched, looks = sampler.statistics().processes, sampler.statistics().looks
            sampler.stop()
            theirs, light = percent(by_psutil(pid), seconds), percent(light_psutil(pid), seconds)
        name = f"{mode}, {'each a target' if apart else 'one tree'}"
        rows.append((name, watched, looks, ours, ours * 100 / watched, light / ours, theirs / ours))
    columns = ["processes that are", "watched", "looks", "% of a core", "a 100 processes"]
    columns += ["psutil with RSS / ours", "psutil with PSS / ours"]
    show_table("Once a second", columns, rows)
    verdict = "within" if max(row[4] for row in rows) < GOAL else "OVER"
    print(f"{verdict} the goal of {GOAL} % of a core for 100 processes\n")


def readers(processes: int) -> None:
    """Each alone, in microseconds."""
    with program(processes, "still") as pid:
        child = psutil.Process(pid).children()[0].pid
        process, shares = Process(child), Shares()
        group = Cgroups().of(child)
        table = Table()
        table.refresh(0.0)
        by_size = counts_by_size()

        def list_descriptors() -> None:
            Descriptors(process, shares).read(process.peek(by_size).descriptors, 1, 0.0, Reading())

        work: dict[str, Callable[[], object]] = {
            "peek: state, RSS, numbers of threads and descriptors": lambda: process.peek(by_size),
            "descriptors by kind, with sizes of memfds": list_descriptors,
            "threads by name": lambda: Threads(process).read(0, 0.0, Reading()),
            "PSS, private, USS (smaps_rollup)": process.memory,
            "limits": lambda: process.text("limits"),
            "command line": process.command,
            "opening a process": lambda: Process(child).close(),
            f"all {len(table.processes)} processes listed": lambda: table.refresh(0.0),
        }
        if group is not None:
            work["memory, limits and pressure of a control group"] = lambda: read(group, Reading())
        rows = [(name, cost_us(step)) for name, step in work.items()]
        assert process.identity == Identity(child, process.identity.start_time)
        process.close()
    show_table("One read", ["what", "us"], rows)


def cost_us(step: Callable[[], object]) -> float:
    """The median of some rounds of CPU time, in microseconds."""
    found = []
    for _ in range(ROUNDS):
        began = time.thread_time_ns()
        step()
        found.append(time.thread_time_ns() - began)
    return sorted(found)[ROUNDS // 2] / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    words = parser.parse_args()
    kernel = Path("/proc/sys/kernel/osrelease").read_text().strip()
    print(f"Linux {kernel}, Python {sys.version.split()[0]}\n")
    readers(words.processes)
    rounds(words.processes, words.seconds)


if __name__ == "__main__":
    main()
