"""All processes of a host under chaos, seen from outside, and what each is."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from steadycast.tracking import proc
from tests.support.chaos.ground import Ground

LOBBY, EGRESS, DISPLAY, X, APPLICATION, PLANE, OTHER = (
    "lobby",
    "egress",
    "display",
    "x",
    "application",
    "plane",
    "other",
)
KINDS = {"lobby_child": LOBBY, "egress_child": EGRESS, "display_child": DISPLAY}


@dataclass(frozen=True, slots=True)
class Seen:
    """One process. `worker` is the id of the worker that it belongs to, None for those of the control plane."""

    pid: int
    what: str
    worker: str | None
    parent: int
    state: str
    command: str


class Processes:
    """Asks /proc each time; what a process is does not change, so that is read once."""

    def __init__(self, ground: Ground, strangers: set[int]) -> None:
        self.strangers = strangers  # started by the driver below the same keeper: cameras, second hosts
        self._ground = ground
        self._known: dict[tuple[int, int], tuple[str, str | None, str]] = {}

    def look(self, plane: int) -> list[Seen]:
        """All that are there now, zombies included."""
        table = self._ground.processes()
        found = []
        for pid, stat in sorted(table.items()):
            if pid in self.strangers or stat.parent in self.strangers:
                continue
            what, worker, command = (PLANE, None, "serve") if pid == plane else self._what(stat)
            found.append(Seen(pid, what, worker, stat.parent, stat.state, command or stat.name))
        return found

    def _what(self, stat: proc.ProcessStat) -> tuple[str, str | None, str]:
        key = (stat.pid, stat.start_time)
        if key not in self._known or stat.state == "Z":
            words = _words(stat.pid)
            if not words:
                return self._known.get(key, (OTHER, None, stat.name))
            if stat.name in ("unshare", "sh", "mount"):
                return OTHER, None, " ".join(words)
            worker = (proc.environment(stat.pid) or {}).get("STEADYCAST_WORKER")
            found = (_kind(words, worker), worker, " ".join(words)[:120])
            if found[0] == OTHER:  # it may be between fork and exec
                return found
            self._known[key] = found
        return self._known[key]


def _words(pid: int) -> list[str]:
    try:
        return [os.fsdecode(word) for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") if word]
    except OSError:
        return []


def _kind(words: list[str], worker: str | None) -> str:
    if "steadycast.workers.start" in words:
        return next((kind for name, kind in KINDS.items() if any(name in word for word in words)), OTHER)
    if "Xvfb" in Path(words[0]).name:
        return X
    return APPLICATION if worker and worker.startswith("display-") else OTHER


def send(pid: int, number: signal.Signals) -> bool:
    """Whether there was somebody to hear it."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def displays(processes: list[Seen]) -> set[int]:
    """Numbers of the displays that these X servers serve."""
    names = {}
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        words = line.split()
        if len(words) > 7 and (number := words[7].rpartition("/tmp/.X11-unix/X")[2]).isdigit():
            names[f"socket:[{words[6]}]"] = int(number)
    held = [target for one in processes if one.what == X for target in (proc.descriptors(one.pid) or {}).values()]
    return {names[target] for target in held if target in names}


def census(pid: int) -> dict[str, int]:
    """Descriptors by kind and threads of one process."""
    kinds = proc.descriptors_by_kind(pid) or {}
    threads = proc.threads_by_name(pid) or {}
    return {**kinds, "threads": sum(threads.values())}
