"""Who belongs to a worker: its descendants, also those that forked away and have another parent, session or group."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from steadycast.tracking import proc
from steadycast.tracking.proc import ProcessStat


class Identity(NamedTuple):
    """One process for good: a recycled pid has another start time (clock ticks since boot)."""

    pid: int
    start_time: int


def family(
    head: Identity, mark: tuple[str, str], known: Iterable[Identity] = (), *, by_session: bool = True
) -> tuple[ProcessStat, ...]:
    """All that belong to the process `head`, without it: zombies too.

    They are found by what nobody can shed by forking: a parent that belongs, the session or group of the head, or the
    environment variable `mark` (name, value); and those `known` from earlier looks, in case one shed all of that.
    `by_session` must be False where the head ended long ago: its number may be the session of another by now.
    """
    table = proc.processes()
    if head.pid in table and not _is(table, head):
        by_session = False  # recycled, so nobody of the old session was left
    # Number 0 stands for whatever leads outside our pid namespace, and the kernel's threads: no worker's session.
    sessions = {head.pid} - {0} if by_session else set()
    mine = os.getpid()
    known_now = {identity.pid for identity in known if _is(table, identity)}
    members = {
        pid
        for pid, one in table.items()
        if pid in known_now or (one.start_time >= head.start_time and _marked(one, sessions, mark))
    }
    for pid in [*members, *([head.pid] if _is(table, head) else [])]:
        if pid != mine:
            members.update(one.pid for one in proc.descendants(pid, table))
    # Nobody can enter a session that exists: whoever is in one with a member descends from who made it. This finds the
    # zombies between a program and what it forked away, which have no environment any more.
    theirs = {table[pid].session for pid in members} - {os.getsid(0), 0}
    members |= {pid for pid, one in table.items() if one.session in theirs and one.start_time >= head.start_time}
    members -= {head.pid, mine}
    return tuple(table[pid] for pid in sorted(members))


def _is(table: Mapping[int, ProcessStat], identity: Identity) -> bool:
    found = table.get(identity.pid)
    return found is not None and found.start_time == identity.start_time


def _marked(one: ProcessStat, sessions: Collection[int], mark: tuple[str, str]) -> bool:
    if one.session in sessions or one.group in sessions:
        return True
    environment = proc.environment(one.pid) if one.state != "Z" else None
    return environment is not None and environment.get(mark[0]) == mark[1]


def near(pid: int) -> tuple[Identity, ...]:
    """Descendants of a process by its children's lists: cheap enough for each second."""
    found: list[Identity] = []
    waiting = [pid]
    while waiting and len(found) < 4096:
        for child in proc.children(waiting.pop()):
            if (started := proc.start_time(child)) is not None:
                found.append(Identity(child, started))
                waiting.append(child)
    return tuple(found)
