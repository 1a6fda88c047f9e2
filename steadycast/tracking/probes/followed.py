"""One target from round to round: its tree, and the looks at its processes, each alone or all of a name together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from steadycast.model import About, Bound, Look, Measured, Owner, Resource
from steadycast.model.series import CYCLES, LOADS
from steadycast.tracking.families import Identity
from steadycast.tracking.probes.cgroup import Cgroups, Group
from steadycast.tracking.probes.devices import DeviceLook, of_process
from steadycast.tracking.probes.finder import Finder
from steadycast.tracking.probes.pace import Steps
from steadycast.tracking.probes.reading import Reading
from steadycast.tracking.probes.table import Table
from steadycast.tracking.probes.targets import Target, Told
from steadycast.tracking.probes.tree import Member, Tree
from steadycast.tracking.probes.visit import Visit, Watched
from steadycast.tracking.signatures.masking import masked

COMMAND = 200  # characters of a command line that are told
SESSIONS = "sessions"
_N = TypeVar("_N", int, float)


@dataclass(slots=True)
class Moment:
    """What all looks of a round share: Unix and monotonic seconds, drivers, the machine's limits, what was read."""

    at: float
    now: float
    devices: DeviceLook = field(default_factory=DeviceLook)
    common: tuple[Bound, ...] = ()
    visits: Mapping[Identity, Visit] = field(default_factory=dict)
    watched: Mapping[Identity, Watched] = field(default_factory=dict)


class Followed:
    """Of one target."""

    def __init__(self, target: Target, steps: Steps, root: Path, cgroups: Cgroups) -> None:
        self.target = target
        self.tree = Tree(target.role, steps.settle_s)
        self.group: Group | None = None  # that was asked for, or that the first head is in
        self._finder = Finder(target, root, cgroups)
        self._cgroups = cgroups
        self._bases: dict[Identity, dict[str, int]] = {}
        self._epochs: dict[str, str] = {}  # by role
        self._was_quiet = False
        self._had_sessions = False
        self._told = Told()
        self._news = False  # values were told that are not those of before
        self._devices_at = 0.0

    def find(self, table: Table, commands: Mapping[int, str], now: float, missing: dict[str, str]) -> None:
        """Who belongs now."""
        found = self._finder.find(table, commands)
        if found.why is not None:
            missing[self.target.role] = found.why
        for pid, member in self.tree.members.items():
            stat = table.processes.get(pid)
            if stat is not None and stat.name != member.name and stat.start_time == member.identity.start_time:
                self.tree.renamed(member, stat.name, commands.get(pid, ""), now)
        self.tree.follow(table, found.heads, now, commands, tree=self.target.tree)
        self._had_sessions = self._had_sessions or self.tree.living() > 0
        living = {member.identity for member in self.tree.members.values()}
        if living != self._bases.keys():
            cycles = self.tree.cycles()
            self._bases = {one: self._bases.get(one, cycles) for one in living}
            head = self.head()
            of_head = None if head is None else self._cgroups.of(head.identity.pid)
            self.group = found.group if found.group is not None else of_head

    def head(self) -> Member | None:
        """The first process that matched."""
        return next((member for member in self.tree.members.values() if member.is_head), None)

    def ask(self) -> bool:
        """Asks what only the asker knows. True where something came or went by what it says."""
        told = Told() if self.target.told is None else self.target.told()
        self._news = told != self._told and bool(told.values or told.unknown)
        has_changed, self._told = told.finished != self._told.finished, told
        return has_changed

    def has_settled(self, now: float) -> bool:
        """Whether it has become quiet since the last call."""
        is_quiet = self._is_quiet(now)
        has, self._was_quiet = is_quiet and not self._was_quiet, is_quiet
        return has

    def _is_quiet(self, now: float) -> bool:
        return self.tree.is_quiet(now) if self._told.quiet is None else self._told.quiet

    def owners(self) -> tuple[tuple[str, str], ...]:
        """Roles and epochs of the last looks."""
        return tuple(self._epochs.items())

    def looks(self, moment: Moment, limits: tuple[Bound, ...]) -> Iterator[tuple[Look, tuple[Bound, ...]]]:
        """At all its processes of which something was read. `limits` are those of its control group."""
        told = self._told
        drivers_are_new, self._devices_at = moment.devices.at > self._devices_at, moment.devices.at
        groups: dict[str, list[Member]] = {}
        alone: list[tuple[str, Member]] = []
        for member in self.tree.members.values():
            if member.identity in moment.visits and member.identity in moment.watched:
                seat = self.tree.seat(member)
                if seat.summed:
                    groups.setdefault(seat.role, []).append(member)
                else:
                    alone.append((seat.role, member))
        self._epochs = {role: _epoch(member) for role, member in alone}
        for role, member in alone:
            visit, watched = moment.visits[member.identity], moment.watched[member.identity]
            bounds = self._drivers(moment, watched, visit.reading, is_new=drivers_are_new)
            if self._news and member is self.head():
                visit.reading.add(Reading(dict(told.values), dict(told.unknown)))
            if visit.reading.values or visit.reading.unknown:
                owner = Owner(role, _epoch(member), member.identity.pid, self._about(member, told))
                look = self._look(owner, member, visit.reading, told, moment)
                yield look, (*visit.bounds, *bounds, *limits, *moment.common)
        for role, members in groups.items():
            first = self.head() or members[0]
            self._epochs[role] = _epoch(first)
            if any(moment.visits[member.identity].due.counts for member in members):
                owner = Owner(role, _epoch(first), None, self._about(members[0], told))
                reading = summed([moment.watched[member.identity].known for member in members])
                yield self._look(owner, first, reading, told, moment), (*limits, *moment.common)

    def _drivers(self, moment: Moment, watched: Watched, reading: Reading, *, is_new: bool) -> tuple[Bound, ...]:
        shown = Reading()
        bounds: list[Bound] = []
        for use in moment.devices.uses:
            bounds += of_process(use, watched.process.pid, watched.known, shown)
        if is_new and shown.values:
            reading.add(shown)
            watched.known.add(shown)
        return tuple(bounds)

    def _look(self, owner: Owner, member: Member, reading: Reading, told: Told, moment: Moment) -> Look:
        base = self._bases.get(member.identity, {})
        seen = {kind: count - base.get(kind, 0) for kind, count in self.tree.cycles().items()}
        load = {SESSIONS: float(self.tree.living())} if self._had_sessions else {}
        return Look(
            owner=owner,
            at=moment.at,
            monotonic=moment.now,
            values=dict(reading.values),
            unknown=dict(reading.unknown),
            load=_first({**told.load, **{k: v for k, v in load.items() if k not in told.load}}, LOADS),
            finished=_first({**told.finished, **{k: v for k, v in seen.items() if k not in told.finished}}, CYCLES),
            quiet=self._is_quiet(moment.now),
        )

    def _about(self, member: Member, told: Told) -> About:
        about = told.about or self.target.about
        if about.command is not None or not member.command:
            return about
        if member.about is None or member.about[0] is not about:
            member.about = (about, replace(about, command=masked(member.command)[:COMMAND]))
        return member.about[1]


def _first(values: Mapping[str, _N], most: int) -> dict[str, _N]:
    return dict(list(values.items())[:most])


def _epoch(member: Member) -> str:
    return f"{member.identity.pid}:{member.identity.start_time}"


def summed(readings: list[Reading]) -> Reading:
    """Of several processes together. A resource of which one of them cannot tell is not told at all."""
    total = Reading()
    for reading in readings:
        for resource, why in reading.unknown.items():
            total.miss(why, resource)
        for measured, value in reading.values.items():
            total.values[measured] = total.values.get(measured, 0.0) + value
    for resource in {measured.resource for measured in total.values if not measured.detail}:
        if sum(Measured(resource) in reading.values for reading in readings) < len(readings):
            total.unknown.setdefault(resource, "not read yet of all of them")
    unknown: set[Resource] = set(total.unknown)
    total.values = {measured: value for measured, value in total.values.items() if measured.resource not in unknown}
    return total
