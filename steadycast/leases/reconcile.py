"""What is lent against what drivers show, by process: foreign sessions, orphans, leases without a session. Pure.

A driver that does not say who holds a session (or says nothing) makes no finding: unknown is no claim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Drift(StrEnum):
    """What does not fit."""

    FOREIGN = "foreign"  # another program's session: it counts against the cap
    ORPHAN = "orphan"  # a process of ours holds a session that nobody has a lease for
    UNSEEN = "unseen"  # a lease whose process shows no session


@dataclass(frozen=True, slots=True)
class Held:
    """An encoder of ours: `pid` and `opened` (seconds) are None until it is open."""

    holder: str
    device: str
    pid: int | None
    opened: float | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a driver shows of a device: the process of each session, or only how many (None: not known)."""

    device: str
    pool: str
    pids: tuple[int | None, ...] | None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit: `sessions` of them, of this process, or the lease of this holder."""

    drift: Drift
    device: str
    pid: int
    sessions: int
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Findings, and the sessions that others hold in each pool: None where a device of the pool does not say.

    `taken` counts the devices that do say, and the sessions of ours that nobody has a lease for: that is not free.
    """

    findings: tuple[Finding, ...]
    foreign: Mapping[str, int | None]
    taken: Mapping[str, int]


def reconcile(
    held: Iterable[Held], shown: Iterable[Shown], ours: Mapping[int, float], now: float, grace_s: float = 10.0
) -> Reconciled:
    """`ours`: all processes that are or were ours, with the time when an encoder last began or ended there.

    For `grace_s` after such a time nothing is said of a process: drivers are looked at now and then, and an encoder
    needs its time to open and to close. Take more than the deadlines for both.
    """
    held = tuple(held)
    findings: list[Finding] = []
    foreign: dict[str, int | None] = {}
    taken: dict[str, int] = {}
    for device in shown:
        here = tuple(h for h in held if h.device == device.device)
        number = _foreign(device, len(here), ours)
        known = foreign.get(device.pool, 0)
        foreign[device.pool] = None if number is None or known is None else known + number
        taken[device.pool] = taken.get(device.pool, 0) + (number or 0)
        if device.pids is not None:
            calm = frozenset(pid for pid, at in ours.items() if now - at > grace_s)
            drift = _drift(device.device, device.pids, here, ours, calm)
            taken[device.pool] += sum(found.sessions for found in drift if found.drift is Drift.ORPHAN)
            findings += drift
            findings += _unseen(device.device, device.pids, here, now - grace_s)
    return Reconciled(tuple(findings), foreign, taken)


def used_by_others(used: int | None, ours_shown: int | None, ours_lent: int) -> int | None:
    """Bytes of a device's memory that are not lent: what is used less what our open encoders use (`ours_shown`, by
    process; None: not known). Never takes off more than is lent, so that memory we use beyond it counts as gone."""
    if used is None:
        return None
    ours = ours_lent if ours_shown is None else min(ours_shown, ours_lent)
    return max(0, used - ours)


def _foreign(device: Shown, held: int, ours: Mapping[int, float]) -> int | None:
    """Sessions of others. Those of unknown processes are ours as far as our leases explain them."""
    if device.pids is None:
        return None if device.count is None else max(0, device.count - held)
    mine = sum(pid is not None and pid in ours for pid in device.pids)
    nobodys = sum(pid is None for pid in device.pids)
    return len(device.pids) - mine - nobodys + max(0, nobodys - max(0, held - mine))


def _drift(
    device: str,
    pids: tuple[int | None, ...],
    here: tuple[Held, ...],
    ours: Mapping[int, float],
    calm: frozenset[int],
) -> list[Finding]:
    findings: list[Finding] = []
    leased = Counter(h.pid for h in here if h.pid is not None)
    opening = any(h.pid is None for h in here)
    for pid, sessions in sorted(Counter(pid for pid in pids if pid is not None).items()):
        if pid not in ours:
            findings.append(Finding(Drift.FOREIGN, device, pid, sessions))
        elif sessions > leased[pid] and pid in calm and not opening:
            findings.append(Finding(Drift.ORPHAN, device, pid, sessions - leased[pid]))
    return findings


def _unseen(device: str, pids: tuple[int | None, ...], here: tuple[Held, ...], before: float) -> list[Finding]:
    if None in pids:
        return []
    return [
        Finding(Drift.UNSEEN, device, h.pid, 1, h.holder)
        for h in here
        if h.pid is not None and h.opened is not None and h.opened < before and h.pid not in pids
    ]
