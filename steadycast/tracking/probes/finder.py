"""Which processes a target means now, and why none, where there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from steadycast.tracking.families import Identity
from steadycast.tracking.probes.cgroup import Cgroups, Group
from steadycast.tracking.probes.table import Table, pids_inside
from steadycast.tracking.probes.targets import Target

_COMM = 15  # the kernel cuts names to so many characters
INTERPRETERS = ("python", "node", "ruby", "perl", "java", "bash", "sh")


@dataclass(frozen=True, slots=True)
class Found:
    """Pids that match; `why` where there are none. `group` is the control group that was asked for."""

    heads: frozenset[int] = frozenset()
    why: str | None = None
    group: Group | None = None


@dataclass(slots=True)
class Finder:
    """Of one target."""

    target: Target
    root: Path
    cgroups: Cgroups
    _identity: Identity | None = None  # of a target by pid: it is this process and no later one
    _group: Group | None = field(default=None)

    def find(self, table: Table, commands: Mapping[int, str]) -> Found:
        """`commands` are command lines by pid."""
        target = self.target
        if target.cgroup is not None or target.unit is not None:
            return self._in_group(table)
        if target.pid is not None:
            return self._by_pid(table, target.pid)
        wanted = target.name or ""
        heads = frozenset(
            pid for pid, one in table.processes.items() if is_named(wanted, one.name, commands.get(pid, ""))
        )
        return Found(heads, None if heads else f"no process is named {wanted}")

    def _by_pid(self, table: Table, pid: int) -> Found:
        if self._identity is None:
            found = table.processes.get(pid)
            if found is None:
                inside = [one for one in table.processes if pid in pids_inside(one, self.root)[1:]]
                if len(inside) != 1:
                    return Found(why=self._absent(table, pid, len(inside)))
                found = table.processes[inside[0]]
            self._identity = Identity(found.pid, found.start_time)
        now = table.processes.get(self._identity.pid)
        if now is None or now.start_time != self._identity.start_time:
            other = "" if now is None else "; its pid is another process's now"
            return Found(why=f"process {self._identity.pid} ended{other}")
        return Found(frozenset({now.pid}))

    def _absent(self, table: Table, pid: int, inside: int) -> str:
        if inside:
            return f"no process {pid} here, and {inside} containers have one: name the cgroup too"
        hidden = table.hides()
        return f"there is no process {pid}" + (f" that can be seen: {hidden}" if hidden else "")

    def _in_group(self, table: Table) -> Found:
        target = self.target
        named = target.unit or target.cgroup or ""
        pids = None if self._group is None else self.cgroups.pids(self._group)
        if pids is None:
            self._group = self.cgroups.unit(named) if target.unit else self.cgroups.at(named)
            pids = None if self._group is None else self.cgroups.pids(self._group)
        if self._group is None or pids is None:
            return Found(why=_no_group(target.unit, named))
        heads = frozenset(pid for pid in pids if pid in table.processes)
        if target.pid is not None:
            heads = frozenset(pid for pid in heads if target.pid in pids_inside(pid, self.root))
            why = f"no process has the pid {target.pid} inside of {named}"
            return Found(heads, None if heads else why, self._group)
        return Found(heads, None if heads else f"no process is in {named}", self._group)


def _no_group(unit: str | None, named: str) -> str:
    if unit:
        return f"no unit {named} runs in a control group of its own here"
    return f"there is no control group {named} here"


def is_named(wanted: str, name: str, command: str) -> bool:
    """By the kernel's name, by the file it was started from, or by the script of an interpreter."""
    if not wanted:
        return False
    if name == wanted and len(wanted) < _COMM:
        return True
    words = command.split()
    files = [Path(word).name for word in words[:1]]
    if files and files[0].rstrip("0123456789.") in INTERPRETERS:
        files += [Path(word).name for word in words[1:] if not word.startswith("-")][:1]
    return wanted in files or (name == wanted[:_COMM] and not words)
