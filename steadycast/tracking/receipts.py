"""Receipts: what is looked at after a worker ended (thin), and the judgement of it (pure)."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steadycast.model import Check, Measures, Receipt, Rung, WorkerKind
from steadycast.tracking import displays, proc, sockets
from steadycast.tracking.families import Identity, family
from steadycast.tracking.proc import ProcessStat
from steadycast.tracking.quiet import Judged

WORKERS = uuid.UUID("5d8f0f0e-3c55-4b0a-9c58-5a4d86c0a9c1")  # made up once: the name space of their receipts


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor of the control plane that belongs to one worker: its number, and what it leads to."""

    fd: int
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a worker had. `servers` are pids of its X servers; in `folder` are the files named after it.

    `known` and `by_session` are those of `families.family`.
    """

    worker: str
    kind: WorkerKind
    lobby: str | None
    identity: Identity
    mark: tuple[str, str]
    started: float
    folder: Path
    known: tuple[Identity, ...] = ()
    by_session: bool = True
    descriptors: tuple[Descriptor, ...] = ()
    displays: tuple[int, ...] = ()
    servers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Remains:
    """What was seen after the end; None where it could not be looked at. `ports` are bound by who is left."""

    process: bool | None
    descendants: tuple[str, ...] | None
    descriptors: tuple[str, ...] | None
    displays: tuple[str, ...] | None
    files: tuple[str, ...] | None
    ports: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a worker ended: exit code or signal (both None where nobody could reap it), and the rungs taken.

    `before` was measured when its end began, or is the last that was.
    """

    cause: str
    exit_code: int | None
    signal: int | None
    rungs: tuple[Rung, ...]
    before: Measures | None = None


def look(held: Held) -> Remains:
    """Look at all that is left, from outside. Blocking: some milliseconds, more on a host with many processes."""
    found = family(held.identity, held.mark, held.known, by_session=held.by_session)
    left = [one for one in found if not _is_anothers(one)]
    head = proc.stat(held.identity.pid)
    process = head is not None and head.start_time == held.identity.start_time and not _is_anothers(head)
    return Remains(
        process=process,
        descendants=tuple(f"{one.name} (pid {one.pid}, {one.state})" for one in left),
        descriptors=_descriptors(held),
        displays=tuple(path for number in held.displays for path in displays.left_over(number, held.servers)),
        files=tuple(sorted(str(path) for path in held.folder.glob(f"{held.worker}.*"))),
        ports=_ports([one.pid for one in left] + ([held.identity.pid] if process else [])),
    )


def _is_anothers(one: ProcessStat) -> bool:
    """A zombie that another process has to reap, mostly init: it holds nothing but its number."""
    return one.state == "Z" and one.parent != os.getpid()


def _ports(pids: Sequence[int]) -> tuple[str, ...] | None:
    """Ports that these processes are still bound to, with who they are."""
    found: list[str] = []
    for pid in pids:
        targets = proc.descriptors(pid)
        ports = None if targets is None else sockets.bound(pid, targets)
        if ports is None and proc.stat(pid) is not None and proc.threads_by_name(pid):
            return None
        found += [f"{port} (pid {pid})" for port in ports or ()]
    return tuple(found)


def _descriptors(held: Held) -> tuple[str, ...] | None:
    now = proc.descriptors()
    if now is None:
        return None
    left = []
    for one in held.descriptors:
        if now.get(one.fd) != one.target:
            continue
        # All pidfds look the same before Linux 6.9: only one that leads to our process, or to none, is still ours.
        if "pidfd" in one.target and proc.pidfd_target(one.fd) not in (held.identity.pid, -1):
            continue
        left.append(f"{one.name} (descriptor {one.fd}, {one.target})")
    return tuple(left)


def describe(fds: Sequence[tuple[str, int]]) -> tuple[Descriptor, ...]:
    """What these open descriptors (name, number) of ours lead to now."""
    found = []
    for name, fd in fds:
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - a link that is no path
        except OSError:
            continue
        found.append(Descriptor(fd, name, target))
    return tuple(found)


def checks(held: Held, remains: Remains) -> tuple[Check, ...]:
    """Pure: each thing that was looked at, and what of it stayed."""
    pid = f"pid {held.identity.pid}"
    process = None if remains.process is None else (pid,) if remains.process else ()
    looked = [
        _check("process", process, "/proc could not be read"),
        _check("descendants", remains.descendants, "/proc could not be read"),
        _check("descriptors", remains.descriptors, "/proc/self/fd could not be read"),
        _check("files", remains.files, "the runtime folder could not be read"),
        _check("ports", remains.ports, "/proc could not be read"),
    ]
    if held.displays:
        looked.append(_check("displays", remains.displays, "/tmp could not be read"))
    return tuple(looked)


def driver_checks(
    shown: tuple[int | None, int | None], why: str, *, vram: bool = True, sessions: bool = True
) -> tuple[Check, ...]:
    """Pure: what the drivers show of a process that is gone, VRAM and encoder sessions; of `vram` and `sessions`, which
    it may have had. `why` they do not tell, where they do not."""
    bytes_left, sessions_left = shown
    found = []
    if vram:
        residue = None if bytes_left is None else (f"{bytes_left} bytes",) if bytes_left else ()
        found.append(_check("vram", residue, why))
    if sessions:
        residue = None if sessions_left is None else (f"{sessions_left} encoder sessions",) if sessions_left else ()
        found.append(_check("encoder sessions", residue, why))
    return tuple(found)


def _check(name: str, residue: tuple[str, ...] | None, why: str) -> Check:
    return Check(name, residue, why if residue is None else None)


def write(held: Held, outcome: Outcome, found: tuple[Check, ...]) -> Receipt:
    """The receipt of a worker that ended now. Clean only where all was looked at and nothing stayed.

    Its id is the worker's: who looks again, because nobody knows whether it was written down, writes the same.
    """
    who = f"{held.worker} {held.identity.pid} {held.identity.start_time} {held.started}"
    return Receipt(
        id=uuid.uuid5(WORKERS, who).hex,
        worker=held.worker,
        kind=held.kind,
        pid=held.identity.pid,
        lobby=held.lobby,
        cause=outcome.cause,
        started=held.started,
        ended=time.time(),
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        rungs=outcome.rungs,
        checks=found,
        clean=is_clean(found),
        before=outcome.before,
    )


def write_judged(judged: Judged, worker: str, kind: WorkerKind, pid: int) -> Receipt:
    """The receipt of a rendition or viewer that ended in a worker that lives on, or that went with it."""
    ended, lent = judged.ended, judged.ended.lent
    return Receipt(
        id=uuid.uuid4().hex,
        worker=worker,
        kind=kind,
        pid=pid,
        lobby=lent.lobby,
        cause=ended.cause,
        started=lent.since,
        ended=ended.at,
        exit_code=None,
        signal=None,
        rungs=(),
        checks=judged.checks,
        clean=is_clean(judged.checks),
        subject=lent.subject,
        name=lent.name,
        before=ended.before,
        after=judged.after,
    )


def is_clean(checks: Sequence[Check]) -> bool:
    """Whether all was looked at and nothing stayed."""
    return bool(checks) and all(check.residue == () for check in checks)
