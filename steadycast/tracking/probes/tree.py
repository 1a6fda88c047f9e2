"""Follows one target's processes: who belongs to it now, in which role, what came and went. Facts in, answer out.

A process belongs when it matches, or when its parent belongs, and then until it ends, whoever its parent is by then. A
child that began under the server itself, or under a process of it that has stood for `STANDING_S`, is counted: it is a
session of the server, and what it starts by itself is a part of that session.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from steadycast.model import About
from steadycast.model.series import CYCLES
from steadycast.tracking.families import Identity
from steadycast.tracking.probes.slots import Seat, Slots
from steadycast.tracking.probes.table import Table
from steadycast.tracking.proc import ProcessStat

_ALMOST = 0.95  # of the time to settle: a look comes some milliseconds early as often as late
MEMBERS = 1024  # of one target that are followed; more are not
STANDING_S = 60.0
SESSION = "session"
NAMES = 32  # of what came and went
REST = "others"


@dataclass(slots=True)
class Member:
    """One process of the target."""

    identity: Identity
    name: str
    since: float
    is_head: bool
    counted: bool
    command: str = ""
    about: tuple[About, About] | None = None  # what was told of it, and that with its command line

    @property
    def kind(self) -> str:
        """Its name among the roles; empty for a head."""
        return "" if self.is_head else self.name


@dataclass(slots=True)
class Tree:
    """Of one target."""

    role: str
    settle_s: float
    members: dict[int, Member] = field(default_factory=dict)
    finished: Counter[str] = field(default_factory=Counter)
    changed: float = float("-inf")
    overflow: int = 0  # processes that are too many to be followed
    _slots: Slots = field(init=False)
    _looked: bool = False

    def __post_init__(self) -> None:
        self._slots = Slots(self.role)

    def follow(
        self,
        table: Table,
        heads: Collection[int],
        now: float,
        commands: Mapping[int, str],
        *,
        tree: bool = True,
    ) -> tuple[Member, ...]:
        """Those that belong now, parents mostly first. `heads` are the pids that match, `commands` are command lines by
        pid. Those that are gone are counted and out."""
        found = table.processes
        for member in [one for one in self.members.values() if not _is(found, one.identity)]:
            self.leave(member, now)
        self.overflow = 0
        tops = [pid for pid in heads if pid in found and found[pid].parent not in heads]
        for pid in sorted(tops):
            if pid not in self.members:
                self._enter(found[pid], now, commands.get(pid, ""), is_head=True, counted=False)
        if tree:
            self._descend(table, now, commands)
        self._looked = True
        return tuple(self.members.values())

    def seat(self, member: Member) -> Seat:
        """Its role now."""
        return self._slots.seat(member.identity, member.kind)

    def renamed(self, member: Member, name: str, command: str, now: float) -> None:
        """A process that has just been forked still has its parent's name."""
        self._slots.leave(member.identity, member.kind, now)
        member.name, member.command, member.about = name, command, None
        self._slots.enter(member.identity, member.kind, member.command, now)

    def leave(self, member: Member, now: float) -> None:
        """It ended, be it as a zombie that waits for its parent."""
        if self.members.pop(member.identity.pid, None) is None:
            return
        self._slots.leave(member.identity, member.kind, now)
        self.changed = now
        if member.counted:
            is_new = member.name not in self.finished and len(self.finished) >= NAMES
            self.finished[REST if is_new else member.name] += 1

    def living(self) -> int:
        """Sessions that are there now."""
        return sum(member.counted for member in self.members.values())

    def is_quiet(self, now: float) -> bool:
        """Nothing came or went for long enough."""
        return now - self.changed >= _ALMOST * self.settle_s

    def cycles(self) -> dict[str, int]:
        """What came and went: all of it as `session`, and by name where there are several."""
        total = {SESSION: sum(self.finished.values())}
        if len(self.finished) < 2:
            return total if total[SESSION] else {}
        first = list(self.finished)[: CYCLES - 1]  # and those for good: a kind never becomes another
        return {**{name: self.finished[name] for name in first}, **total}

    def _descend(self, table: Table, now: float, commands: Mapping[int, str]) -> None:
        waiting = list(self.members)
        seen = set(waiting)
        while waiting:
            parent = self.members.get(waiting.pop())
            for child in table.children.get(parent.identity.pid, ()) if parent else ():
                if child.pid in seen or child.state in "ZX":
                    continue
                if len(self.members) >= MEMBERS:
                    self.overflow += 1
                    continue
                seen.add(child.pid)
                assert parent is not None
                counted = parent.is_head or (not parent.counted or now - parent.since >= STANDING_S)
                self._enter(child, now, commands.get(child.pid, ""), is_head=False, counted=counted)
                waiting.append(child.pid)

    def _enter(self, stat: ProcessStat, now: float, command: str, *, is_head: bool, counted: bool) -> None:
        identity = Identity(stat.pid, stat.start_time)
        # Whoever was there before the first look has stood for long.
        since = now if self._looked else now - STANDING_S
        member = Member(identity, stat.name, since, is_head, counted, command)
        self.members[stat.pid] = member
        self._slots.enter(identity, member.kind, command, now)
        if self._looked:
            self.changed = now


def _is(table: Mapping[int, ProcessStat], identity: Identity) -> bool:
    found = table.get(identity.pid)
    return found is not None and found.start_time == identity.start_time and found.state not in "ZX"
