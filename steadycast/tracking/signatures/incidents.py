"""Joins the lines of one incident into one diagnosis: which line is the cause, which only follow, what to do.

Lines belong together by their time where they tell it, else by how far apart they stand, and by process where they
tell that. The line that explains the others is the root: the one with the highest `root`, of equal ones the first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from steadycast.model.findings import Remedy
from steadycast.tracking.signatures.diagnosis import Diagnosis, Evidence
from steadycast.tracking.signatures.facts import Facts
from steadycast.tracking.signatures.matcher import Match
from steadycast.tracking.signatures.table import ROOT_FIRST, Signature
from steadycast.tracking.signatures.weighing import Likely, Weighed, weigh

SECONDS = 5.0  # between two lines of one incident
LINES = 40  # the same, where there are no times
KINDS = 16  # signatures of one incident that are kept
EVIDENCE = 8
RECENT = 16  # incidents that a line may still belong to
INCIDENTS = 256


@dataclass(slots=True)
class _Incident:
    number: int
    first: Match
    last: Match
    root: Signature
    pid: int | None
    process: str | None
    of_kind: dict[str, Match] = field(default_factory=dict)  # the first line of each signature
    counts: dict[str, int] = field(default_factory=dict)
    occurrences: int = 1
    lines: int = 0
    told: tuple[str, str, int] = ("", "", 0)  # what was answered last
    weighed: tuple[int, int] = (0, 0)  # occurrences and kinds of lines at that time
    facts: Facts | None = None

    def take(self, match: Match) -> None:
        self.last = match
        self.lines += match.times
        name = match.signature.id
        if name not in self.of_kind:
            if len(self.of_kind) >= KINDS and match.signature.root <= self.root.root:
                return
            self.of_kind[name] = match
            if match.signature.root > self.root.root:  # of equal ones the first stays
                self.root = match.signature
            self.pid = match.line.pid if self.pid is None else self.pid
            self.process = match.line.process if self.process is None else self.process
        self.counts[name] = self.counts.get(name, 0) + match.times

    def absorb(self, other: _Incident) -> None:
        """One that began with another line and has the same root: it was this once more."""
        self.occurrences += other.occurrences
        self.lines += other.lines
        self.last = other.last
        for name, match in other.of_kind.items():
            if name in self.of_kind or len(self.of_kind) < KINDS:
                self.of_kind.setdefault(name, match)
                self.counts[name] = self.counts.get(name, 0) + other.counts.get(name, 0)


class Incidents:
    """All incidents of some logs, at most `INCIDENTS` kinds of them: the oldest are forgotten.

    `look` is asked for the facts of a process when an incident begins (`None`: nobody knows); it must not wait.
    """

    def __init__(self, look: Callable[[Match], Facts | None] | None = None) -> None:
        self._look = look
        self._all: deque[_Incident] = deque(maxlen=INCIDENTS)
        self.forgotten = 0
        self._number = 0

    def add(self, match: Match, facts: Facts | None = None) -> Diagnosis | None:
        """The diagnosis where this line begins an incident, is the first of another occurrence of a known one, or
        changes what an incident is taken for; None where it only adds to what was told already, or is no fault."""
        if match.signature.normal:
            return None
        incident = self._near(match) or self._again(match) or self._begun(match)
        root, absorbed = incident.root, None
        incident.take(match)
        if incident.root is not root and (older := self._same(incident)) is not None:
            older.absorb(incident)
            absorbed = incident.number
            self._drop(incident)
            self._renew(older)
            incident = older
        if facts is not None:
            incident.facts = facts
        elif incident.facts is None and self._look is not None:
            incident.facts = self._look(match)
        if incident.weighed == (incident.occurrences, len(incident.of_kind)) and facts is None:
            return None  # one more of the same
        incident.weighed = incident.occurrences, len(incident.of_kind)
        weighed = _weighed(incident)
        told = (incident.root.id, weighed.ranked[0].what, incident.occurrences)
        if told == incident.told:
            return None
        incident.told = told
        return _diagnosis(incident, weighed, absorbed)

    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """All there are, by their first line."""
        return tuple(_diagnosis(one, _weighed(one)) for one in sorted(self._all, key=lambda one: one.number))

    def _near(self, match: Match) -> _Incident | None:
        """The incident this line is part of: the newest first."""
        recent = list(self._all)[-RECENT:]
        return next((one for one in reversed(recent) if _is_near(one, match) and _may_be_one(one, match)), None)

    def _again(self, match: Match) -> _Incident | None:
        """The kind of incident that this line begins once more."""
        for one in reversed(self._all):
            is_known = match.signature.id == one.root.id or (
                one.root.root < ROOT_FIRST and match.signature.id == one.first.signature.id
            )
            if is_known and one.first.source == match.source and _same_name(one, match):
                one.occurrences += 1
                self._renew(one)
                return one
        return None

    def _same(self, incident: _Incident) -> _Incident | None:
        """An older one of the same root."""
        for one in self._all:
            if one is incident or one.root is not incident.root or one.first.source != incident.first.source:
                continue
            if None in (one.process, incident.process) or one.process == incident.process:
                return one
        return None

    def _renew(self, incident: _Incident) -> None:
        """It is among the recent ones again."""
        self._drop(incident)
        self._all.append(incident)

    def _drop(self, incident: _Incident) -> None:
        del self._all[next(at for at, one in enumerate(self._all) if one is incident)]

    def _begun(self, match: Match) -> _Incident:
        if len(self._all) == INCIDENTS:
            self.forgotten += 1
        self._number += 1
        line, signature = match.line, match.signature
        incident = _Incident(self._number, match, match, signature, line.pid, line.process, {signature.id: match})
        self._all.append(incident)
        return incident


def _is_near(incident: _Incident, match: Match) -> bool:
    before, after = incident.last.line, match.line
    if incident.last.source != match.source:
        return before.zoned and after.zoned and _seconds(before.at, after.at) <= SECONDS
    if before.at is not None and after.at is not None and before.dated == after.dated:
        return _seconds(before.at, after.at) <= SECONDS
    return match.number - incident.last.number <= LINES


def _seconds(one: float | None, other: float | None) -> float:
    return float("inf") if one is None or other is None else abs(one - other)


def _may_be_one(incident: _Incident, match: Match) -> bool:
    """Two that explain all around them are two incidents, if their kinds differ. So are two that tell different
    pids, unless the kernel or the system speaks about all."""
    root, other = incident.root, match.signature
    if root.root == other.root == ROOT_FIRST and _kind(root) != _kind(other):
        return False
    pids = incident.pid, match.line.pid
    if None in pids or pids[0] == pids[1]:
        return True
    return ROOT_FIRST in (incident.root.root, match.signature.root) or incident.last.line.kernel or match.line.kernel


def _kind(signature: Signature) -> str:
    return signature.id.partition(".")[0]


def _same_name(incident: _Incident, match: Match) -> bool:
    names = incident.process, match.line.process
    return None in names or names[0] == names[1]


def _weighed(incident: _Incident) -> Weighed:
    root = incident.of_kind[incident.root.id]
    others = incident.of_kind.keys() - {root.signature.id}
    return weigh(root.signature, others, incident.facts, root.line.at if root.line.zoned else None)


def _diagnosis(incident: _Incident, weighed: Weighed, absorbed: int | None = None) -> Diagnosis:
    root = incident.root
    best, advised = weighed.ranked[0], _advised(weighed)
    agreed = sum(one.sure for one in weighed.ranked if one.remedy is advised.remedy)
    first, last = incident.first.line, incident.last.line
    if first.at is not None and last.at is not None and first.dated == last.dated and last.at < first.at:
        first, last = last, first  # logs that were put together are not always in order
    return Diagnosis(
        id=incident.number, signature=root.id, system=root.system, what=root.name, meaning=root.meaning,
        why=best.what, sure=best.sure,
        remedy=advised.remedy,
        remedy_sure=min(1.0, agreed), do=advised.do, evidence=_evidence(incident), first=first.stamp, last=last.stamp,
        at=first.at if first.dated else None, last_at=last.at if last.dated else None,
        occurrences=incident.occurrences, lines=incident.lines, source=incident.first.source,
        process=incident.process, pid=incident.pid, alternatives=weighed.ranked[1:], known=weighed.used,
        unknown=weighed.unknown, decide=_decide(weighed), mistaken_for=root.mistaken_for, reference=root.source,
        only_follow_ups=root.is_follow_up, absorbed=absorbed,
    )  # fmt: skip


def _advised(weighed: Weighed) -> Likely:
    """The likeliest cause of those whose remedy is right most probably: several causes may ask for the same one."""
    sums: dict[Remedy, float] = {}
    for one in weighed.ranked:
        sums[one.remedy] = sums.get(one.remedy, 0.0) + one.sure
    return next(one for one in weighed.ranked if one.remedy is max(sums, key=lambda remedy: sums[remedy]))


def _evidence(incident: _Incident) -> tuple[Evidence, ...]:
    """The root first, then the others as they came."""
    root = incident.root.id
    some = sorted(incident.of_kind.values(), key=lambda match: (match.signature.id != root, match.offset))
    return tuple(
        Evidence(
            one.signature.id, one.signature.name, one.line.text, one.number, one.line.stamp,
            one.signature.id != root, incident.counts.get(one.signature.id, 1),
        )
        for one in some[:EVIDENCE]
    )  # fmt: skip


def _decide(weighed: Weighed) -> tuple[str, ...]:
    """What to ask to tell the causes apart, of those that are still possible, the likeliest first."""
    if weighed.ranked[0].sure >= 0.9:
        return ()
    return tuple(dict.fromkeys(one.ask for one in weighed.ranked if one.ask and one.sure >= 0.05))[:3]
