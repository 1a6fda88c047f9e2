"""All processes that can be seen, kept from look to look: only new ones are read.

Cost on a slow core: 1 us a process for the listing, 20 us for each new one.
"""

from __future__ import annotations

import os
from pathlib import Path

from steadycast.tracking import proc
from steadycast.tracking.families import Identity
from steadycast.tracking.proc import ProcessStat

REFRESH_S = 30.0  # until all are read again: a pid may have got into other hands between two listings
MOST = 65_536


class Table:
    """Below `root`. `processes` is by pid."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._proc = root / "proc"
        self.processes: dict[int, ProcessStat] = {}
        self.children: dict[int, list[ProcessStat]] = {}  # by parent, as of the refresh
        self.new: tuple[ProcessStat, ...] = ()  # since the refresh before
        self._refreshed = float("-inf")

    def refresh(self, now: float) -> None:
        """Lists them; raises OSError where there is no /proc."""
        names = os.listdir(self._proc)  # noqa: PTH208 - once a second, of all processes
        pids = [int(name) for name in names if name.isdecimal()][:MOST]
        is_due = now - self._refreshed >= REFRESH_S
        known = {} if is_due else self.processes
        if is_due:
            self._refreshed = now
        found: dict[int, ProcessStat] = {}
        for pid in pids:
            one = known.get(pid) or proc.stat(pid, self._proc)
            if one is not None:
                found[pid] = one
        old = self.processes
        self.new = tuple(one for pid, one in found.items() if pid not in old or old[pid].start_time != one.start_time)
        self.processes = found
        self.children = {}
        for one in found.values():
            self.children.setdefault(one.parent, []).append(one)

    def put(self, stat: ProcessStat) -> None:
        """What was read of one meanwhile: it may have another parent or name."""
        self.processes[stat.pid] = stat

    def drop(self, identity: Identity) -> None:
        """One that turned out to be gone: its pid is read anew."""
        found = self.processes.get(identity.pid)
        if found is not None and found.start_time == identity.start_time:
            del self.processes[identity.pid]

    def hides(self) -> str | None:
        """Why a process may be there and not be seen; None where all are shown."""
        try:
            lines = (self._proc / "self/mountinfo").read_text().splitlines()
        except OSError:
            return None
        for line in lines:
            left, _, right = line.partition(" - ")
            options = right.split()
            if options[:1] == ["proc"] and left.split()[4:5] == [str(self._proc)]:
                hidden = [one for one in options[-1].split(",") if one.startswith("hidepid=")]
                if hidden and hidden[0] not in ("hidepid=0", "hidepid=off"):
                    return f"/proc is mounted with {hidden[0]}: processes of other users are not shown"
        return None


def pids_inside(pid: int, root: Path = Path("/")) -> tuple[int, ...]:
    """The pids a process has, from our pid namespace to the innermost: `NSpid` of its status (proc(5))."""
    try:
        text = (root / "proc" / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return ()
    for line in text.splitlines():
        if line.startswith("NSpid:"):
            return tuple(int(word) for word in line.split()[1:] if word.isdecimal())
    return ()
