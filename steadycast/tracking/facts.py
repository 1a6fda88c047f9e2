"""What /proc tells of one process from outside, for whoever asks later why it hung: states, waits, memory, children.

Read in steps, those first that never wait: some files of a process wait for a lock of its memory, which a hung one may
hold. Whoever reads them does so in a thread that may be left behind, and takes what is there by then.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from steadycast.tracking import proc

THREADS = 128
CHILDREN = 64
KINDS = 64
WORDS = 4096  # bytes of a command line
# Of /proc/<pid>/status (proc(5)): what says how large it is, how it waits, and what it does with signals.
_STATUS = frozenset({
    "Name", "State", "PPid", "Threads", "VmPeak", "VmSize", "VmHWM", "VmRSS", "VmSwap", "SigPnd", "ShdPnd", "SigBlk",
    "SigIgn", "SigCgt", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class ThreadFacts:
    """`state` is one letter (D: waits in the kernel for a device; T: stopped). `wchan` and `syscall` say in what it
    waits; None where that may not be read."""

    id: int
    name: str
    state: str
    wchan: str | None
    syscall: str | None


@dataclass(frozen=True, slots=True)
class ChildFacts:
    """A child of the process. `state` is one letter (Z: a zombie)."""

    pid: int
    name: str
    state: str


@dataclass(slots=True)
class ProcessFacts:
    """Of one process; None is what could not be read (in time). Memory in bytes. Filled in step by step."""

    pid: int
    state: str | None = None
    status: dict[str, str] = field(default_factory=dict)
    threads: tuple[ThreadFacts, ...] | None = None
    children: tuple[ChildFacts, ...] | None = None
    descriptors: dict[str, int] | None = None
    command: str | None = None
    pss: int | None = None
    private: int | None = None
    rss: int | None = None


def steps(facts: ProcessFacts) -> Iterator[Callable[[], None]]:
    """Each fills in a part of the facts."""
    for step in (_state, _threads, _children, _descriptors, _command, _memory):
        yield lambda step=step: step(facts)  # type: ignore[misc]


def _state(facts: ProcessFacts) -> None:
    facts.status = status(facts.pid)
    found = proc.stat(facts.pid)
    facts.state = found.state if found is not None else None


def _threads(facts: ProcessFacts) -> None:
    folder = proc.PROC / str(facts.pid) / "task"
    ids = sorted(int(name) for name in _names(folder))
    seen = (_thread(folder / str(one)) for one in ids[:THREADS])
    facts.threads = tuple(one for one in seen if one is not None) or None


def _thread(folder: Path) -> ThreadFacts | None:
    found = proc.parse_stat(_text(folder / "stat") or "")
    if found is None:
        return None
    return ThreadFacts(found.pid, found.name, found.state, _text(folder / "wchan"), _text(folder / "syscall"))


def _children(facts: ProcessFacts) -> None:
    found = [proc.stat(pid) for pid in proc.children(facts.pid)[:CHILDREN]]
    facts.children = tuple(ChildFacts(one.pid, one.name, one.state) for one in found if one is not None)


def _descriptors(facts: ProcessFacts) -> None:
    kinds = proc.descriptors_by_kind(facts.pid)
    if kinds is not None:
        facts.descriptors = dict(sorted(kinds.items(), key=lambda item: -item[1])[:KINDS])


def _command(facts: ProcessFacts) -> None:
    text = _text(proc.PROC / str(facts.pid) / "cmdline", WORDS)
    facts.command = None if text is None else text.replace("\0", " ").strip()


def _memory(facts: ProcessFacts) -> None:
    found = proc.memory(facts.pid)
    if found is not None:
        facts.pss, facts.private, facts.rss = found.pss, found.uss, found.rss


def status(pid: int, thread: int | None = None) -> dict[str, str]:
    """The fields of interest of /proc/<pid>/status, or of one of its threads; empty where there is no such process."""
    folder = proc.PROC / str(pid)
    text = _text((folder if thread is None else folder / "task" / str(thread)) / "status", 16_384) or ""
    pairs = (line.partition(":") for line in text.splitlines())
    return {key: value.strip() for key, _, value in pairs if key in _STATUS}


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    return _holds(status(pid).get("SigCgt"), number)


def waits_for(pid: int, number: signal.Signals) -> bool:
    """Whether a process blocks a signal, and a thread of it waits for it (the kernel lifts the block for that one)."""
    if not _holds(status(pid).get("SigBlk"), number):
        return False
    masks = [status(pid, int(name)).get("SigBlk") for name in _names(proc.PROC / str(pid) / "task")[:THREADS]]
    return any(mask is not None and not _holds(mask, number) for mask in masks)


def _holds(mask: str | None, number: signal.Signals) -> bool:
    """`mask` is hexadecimal, the lowest bit stands for signal 1."""
    return bool(int(mask or "0", 16) >> (number - 1) & 1)


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.isdigit()]  # noqa: PTH208 - names, not paths
    except OSError:
        return []


def _text(path: Path, most: int = 1024) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(most).decode(errors="replace").strip() or None
    except OSError:
        return None
