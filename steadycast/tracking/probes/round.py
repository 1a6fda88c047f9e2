"""One round of looks: who is there, what each holds, and the looks that come of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from steadycast.model import Bound, Look
from steadycast.tracking import proc
from steadycast.tracking.families import Identity
from steadycast.tracking.measure import fold
from steadycast.tracking.probes.aside import Aside
from steadycast.tracking.probes.cgroup import Cgroups
from steadycast.tracking.probes.descriptors import Shares
from steadycast.tracking.probes.devices import DeviceLook, Devices
from steadycast.tracking.probes.followed import Followed, Moment
from steadycast.tracking.probes.limits import Ram
from steadycast.tracking.probes.pace import Steps
from steadycast.tracking.probes.process import counts_by_size
from steadycast.tracking.probes.surroundings import Surroundings
from steadycast.tracking.probes.table import Table
from steadycast.tracking.probes.targets import Target
from steadycast.tracking.probes.visit import Visit, Watched

DEADLINE_S = 0.5  # for one process; mostly some 20 us
DEVICES_S = 0.25  # that a round waits for drivers
KEPT = 128  # processes whose files are kept open


@dataclass(slots=True)
class Seen:
    """What a round found."""

    looks: list[tuple[Look, tuple[Bound, ...]]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    ended: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Round:
    """Keeps what is known from round to round."""

    def __init__(self, steps: Steps, root: Path, devices: Devices | None, aside: Aside) -> None:
        self._steps = steps
        self._root = root
        self._devices = devices
        self._aside = aside
        self._table = Table(root)
        self._cgroups = Cgroups(root)
        self._shares = Shares()
        self._by_size = counts_by_size(root)
        self._commands: dict[int, str] = {}
        self._watched: dict[Identity, Watched] = {}
        self._followed: dict[str, Followed] = {}
        self._ram = Ram(root)
        self._around = Surroundings(steps, root, self._cgroups)

    @property
    def watching(self) -> int:
        """Processes that are followed."""
        return len(self._watched)

    def close(self) -> None:
        """Lets go of all files."""
        for watched in self._watched.values():
            watched.close(self._shares)
        self._watched.clear()

    def look(self, targets: Sequence[Target], now: float) -> Seen:
        """`now` is monotonic. Raises OSError where there is no /proc."""
        seen, at = Seen(), time.time()
        self._table.refresh(now)
        self._read_commands()
        self._keep(targets, seen)
        for followed in self._followed.values():
            followed.find(self._table, self._commands, now, seen.missing)
        self._open()
        visits = self._visit(now, self._settled(now))
        devices = DeviceLook() if self._devices is None else self._devices.look(now, DEVICES_S)
        seen.notes += devices.why
        moment = Moment(at, now, devices, self._ram.bound(now), visits, self._watched)
        for followed in self._followed.values():
            before = set(followed.owners())
            seen.looks += followed.looks(moment, self._around.limits(followed.group))
            seen.ended += sorted(before - set(followed.owners()))
            if followed.tree.overflow:
                seen.notes.append(f"{followed.target.role}: {followed.tree.overflow} processes too many to be followed")
        seen.looks += self._around.looks(self._followed.values(), moment)
        return seen

    def _keep(self, targets: Iterable[Target], seen: Seen) -> None:
        wanted = {target.role: target for target in targets}
        for role in [role for role, one in self._followed.items() if wanted.get(role) is not one.target]:
            seen.ended += self._followed.pop(role).owners()
        for role, target in wanted.items():
            if role not in self._followed:
                self._followed[role] = Followed(target, self._steps, self._root, self._cgroups)

    def _read_commands(self) -> None:
        """Command lines of those that are new. The kernel may wait for a lock of theirs."""
        for pid in self._commands.keys() - self._table.processes.keys():
            del self._commands[pid]
        new = [one.pid for one in self._table.new]
        self._aside.run([partial(self._read_command, pid) for pid in new], DEADLINE_S)

    def _read_command(self, pid: int) -> None:
        self._commands[pid] = command_of(self._root / "proc" / str(pid) / "cmdline")

    def _open(self) -> None:
        """Follows those that belong, and no others."""
        members = {one.identity for followed in self._followed.values() for one in followed.tree.members.values()}
        for identity in self._watched.keys() - members:
            self._watched.pop(identity).close(self._shares)
        for identity in members - self._watched.keys():
            keep = len(self._watched) < KEPT
            watched = Watched.open(identity, self._root, self._shares, self._steps, keep=keep)
            if watched is not None:
                self._watched[identity] = watched
            else:
                self._table.drop(identity)

    def _settled(self, now: float) -> frozenset[Identity]:
        """Those of targets that have just become quiet, or of which somebody told that something came or went."""
        found: set[Identity] = set()
        for followed in self._followed.values():
            has_cycled = followed.ask()
            if followed.has_settled(now) or has_cycled:
                found.update(member.identity for member in followed.tree.members.values())
        return frozenset(found)

    def _visit(self, now: float, settled: frozenset[Identity]) -> dict[Identity, Visit]:
        children = self._children()
        visits = []
        for identity in sorted(self._watched):
            watched = self._watched[identity]
            names, zombies = children.get(identity.pid, ({}, 0))
            count = len(self._watched)
            is_settled = identity in settled
            visits.append(Visit(watched, now, count, is_settled, self._by_size, names, zombies))
        for number in self._aside.run(visits, DEADLINE_S):
            visits[number].leave()
        for visit in visits:
            self._take(visit)
        return {visit.watched.process.identity: visit for visit in visits}

    def _take(self, visit: Visit) -> None:
        """What was read is kept; one that is gone is read anew, for its zombie or for who has its pid now."""
        watched = visit.watched
        identity = watched.process.identity
        if visit.gone:
            self._table.drop(identity)
            return
        peek, old = visit.peek, self._table.processes.get(identity.pid)
        if peek is not None and old is not None and (old.parent, old.name) != (peek.parent, peek.name):
            self._table.put(replace(old, parent=peek.parent, name=peek.name))
            if old.name != peek.name:  # it was another program when its command line was read
                self._aside.run([partial(self._read_command, identity.pid)], DEADLINE_S)
        watched.known.renew(visit.reading)

    def _children(self) -> Mapping[int, tuple[dict[str, float], int]]:
        """Living children by name, and zombies, of each that is followed."""
        living: dict[int, Counter[str]] = {}
        zombies: Counter[int] = Counter()
        parents = {identity.pid for identity in self._watched}
        for parent in parents:
            for one in self._table.children.get(parent, ()):
                stat: proc.ProcessStat | None = one
                if Identity(one.pid, one.start_time) not in self._watched:  # nobody looks whether it is still alive
                    stat = proc.stat(one.pid, self._root / "proc")
                if stat is not None and stat.state in "ZX":
                    zombies[parent] += 1
                elif stat is not None:
                    living.setdefault(parent, Counter())[fold(stat.name)] += 1
        return {pid: (dict(living.get(pid, {})), zombies[pid]) for pid in parents}


def command_of(path: Path) -> str:
    """A command line; empty where it may not be read."""
    try:
        with path.open("rb") as file:
            return file.read(4096).replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
