"""Probes of /proc, one process at a time. Each answers None where it cannot tell (gone, not ours, no such file)."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
EXITING = 0x4  # PF_EXITING of include/linux/sched.h: it is on its way out, and runs nothing of its own any more
LISTINGS = 10  # of all processes in one look, at most
# By how the name begins, in this order; /dev/shm has files.
_KINDS = {"/dev/dri/": "dri", "/dev/nvidia": "nvidia", "/dmabuf:": "dmabuf", "/memfd:": "memfd"}


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """Fields of /proc/<pid>/stat (proc(5)). `start_time` is in clock ticks since boot; `state` is one letter;
    `exiting`: it ends, or has ended."""

    pid: int
    name: str
    state: str
    parent: int
    group: int
    session: int
    threads: int
    start_time: int
    exiting: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of /proc/<pid>/smaps_rollup: `pss` counts shared pages by their share, `uss` only private pages. `swap` is
    of private pages that are swapped out, and in none of the others."""

    pss: int
    uss: int
    rss: int
    private_dirty: int
    swap: int = 0


def stat(pid: int, folder: Path | None = None) -> ProcessStat | None:
    """None where there is no such process. A zombie is one. `folder` is another than /proc."""
    try:
        with open(f"{folder or PROC}/{pid}/stat", errors="replace") as file:  # noqa: PTH123 - of all processes
            text = file.read()
    except OSError:
        return None
    return parse_stat(text)


def parse_stat(text: str) -> ProcessStat | None:
    """The name may hold spaces and parentheses, so the fields are counted from the last parenthesis."""
    left, _, right = text.rpartition(")")
    number, _, name = left.partition(" (")
    fields = right.split()
    if len(fields) < 20 or not number.strip().isdigit():
        return None
    return ProcessStat(
        pid=int(number),
        name=name,
        state=fields[0],
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        threads=int(fields[17]),
        start_time=int(fields[19]),
        exiting=bool(int(fields[6]) & EXITING) or fields[0] in "ZX",
    )


def start_time(pid: int) -> int | None:
    """With the pid it names a process for good: a recycled pid has another start time."""
    found = stat(pid)
    return found.start_time if found else None


def age(started: int) -> float:
    """Seconds since a start time of this boot, whatever the wall clock said meanwhile."""
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK"))


def is_same(pid: int, started: int) -> bool:
    """Whether this very process still exists, be it as a zombie."""
    return start_time(pid) == started


def processes() -> dict[int, ProcessStat]:
    """All processes that can be seen, by pid.

    The folder is listed until nothing new is in it: else one that forks and ends during the look would hide its child.
    """
    found: dict[int, ProcessStat] = {}
    seen: set[str] = set()
    for _ in range(LISTINGS):
        new = {entry.name for entry in PROC.iterdir() if entry.name.isdigit()} - seen
        if not new:
            break
        seen |= new
        for name in sorted(new, key=int):  # parents mostly before their children
            if (one := stat(int(name))) is not None:
                found[one.pid] = one
    return found


def environment(pid: int) -> dict[str, str] | None:
    """The environment a process was started with; None where it may not be read. Empty for a zombie."""
    try:
        data = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    pairs = (item.partition(b"=") for item in data.split(b"\0") if item)
    return {os.fsdecode(key): os.fsdecode(value) for key, _, value in pairs}


def descendants(pid: int, table: dict[int, ProcessStat] | None = None) -> tuple[ProcessStat, ...]:
    """Children of a process and theirs, by the parents they have now; the process itself is not one."""
    table = processes() if table is None else table
    children: dict[int, list[ProcessStat]] = {}
    for one in table.values():
        children.setdefault(one.parent, []).append(one)
    found: list[ProcessStat] = []
    seen = {pid}
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child.pid not in seen:
                seen.add(child.pid)
                found.append(child)
                waiting.append(child.pid)
    return tuple(found)


def descriptors(pid: int | None = None) -> dict[int, str] | None:
    """Open descriptors and what they lead to (`socket:[4711]`, `anon_inode:[pidfd]`, a path); None where unreadable."""
    folder = f"{PROC}/{'self' if pid is None else pid}/fd"
    try:
        names = os.listdir(folder)  # noqa: PTH208 - paths as objects would cost more than the look
    except OSError:
        return None
    found = {}
    for name in names:
        try:
            found[int(name)] = os.readlink(f"{folder}/{name}")  # noqa: PTH115 - the same, and some are no paths
        except OSError:
            continue  # closed since, such as the one that listed the folder
    return found


def descriptor_kind(target: str) -> str:
    """What a descriptor leads to, in one word: `socket`, `pipe`, `eventfd`, `eventpoll`, `memfd`, `dmabuf`, `dri` and
    `nvidia` (nodes of GPUs), `device` (others), `file`, `deleted` (a file without a name), and what else the kernel
    calls its own (`sync_file`, `pidfd`)."""
    if target.startswith(("socket:", "pipe:")):
        return target.partition(":")[0]
    if target.startswith("anon_inode:"):
        return target[11:].strip("[]") or "anonymous"
    for beginning, kind in _KINDS.items():
        if target.startswith(beginning):
            return kind
    if target.endswith(" (deleted)"):
        return "deleted"
    return "device" if target.startswith("/dev/") and not target.startswith("/dev/shm/") else "file"


def descriptors_by_kind(pid: int) -> dict[str, int] | None:
    found = descriptors(pid)
    return None if found is None else dict(Counter(descriptor_kind(target) for target in found.values()))


def threads_by_name(pid: int) -> dict[str, int] | None:
    """Threads counted by their name (15 characters at most)."""
    folder = PROC / str(pid) / "task"
    names: Counter[str] = Counter()
    try:
        for thread in folder.iterdir():
            try:
                names[(thread / "comm").read_text(errors="replace").strip()] += 1
            except OSError:
                continue  # ended since
    except OSError:
        return None
    return dict(names)


def memory(pid: int) -> Memory | None:
    """None where smaps_rollup may not be read or the process is a zombie (its file is empty)."""
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return None
    return parse_memory(text)


def parse_memory(text: str) -> Memory | None:
    fields: dict[str, int] = {}
    for line in text.splitlines()[1:]:
        key, _, value = line.partition(":")
        words = value.split()
        if len(words) == 2 and words[0].isdigit():  # "Pss:   123 kB"
            fields[key] = int(words[0]) * 1024
    try:
        dirty = fields["Private_Dirty"]
        return Memory(fields["Pss"], fields["Private_Clean"] + dirty, fields["Rss"], dirty, fields.get("Swap", 0))
    except KeyError:
        return None


def children(pid: int | None = None) -> tuple[int, ...]:
    """Pids of the children of all threads of a process, cheaper than a look at all processes; empty where unknown."""
    folder = PROC / ("self" if pid is None else str(pid)) / "task"
    found: list[int] = []
    try:
        for thread in folder.iterdir():
            try:
                found += map(int, (thread / "children").read_text().split())
            except OSError:
                continue  # the thread ended, or a kernel without CONFIG_PROC_CHILDREN
    except OSError:
        return ()
    return tuple(found)


def boot_id() -> str | None:
    """Names this boot of the machine: start times are counted from it."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def pidfd_target(fd: int) -> int | None:
    """The pid one of our own pidfds leads to, -1 where that process was reaped; None where `fd` is no pidfd."""
    try:
        text = (PROC / "self/fdinfo" / str(fd)).read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    return None
