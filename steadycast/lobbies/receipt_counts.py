"""Receipts counted since the start, for metrics. All keys are words of the program."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from steadycast.model import Receipt, Subject, WorkerKind

# Upper bounds of the classes, in seconds: the goal is 0.3; the deadlines of the ladder end at 10.
END_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
CHECKS = 32  # names of checks that are told apart
OUTCOMES = ("clean", "residue", "unknown")


@dataclass(frozen=True, slots=True)
class EndTimes:
    """How long ends took, from the first rung to the receipt: how many in each class of `END_SECONDS` and beyond the
    last of them, and all together in seconds."""

    classes: tuple[int, ...]
    sum: float


@dataclass(frozen=True, slots=True)
class ReceiptStatistics:
    """`outcomes` by subject and outcome (`OUTCOMES`); `residue`: things that stayed, by check; `ends` by kind of
    worker."""

    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    residue: dict[str, int] = field(default_factory=dict)
    ends: dict[str, EndTimes] = field(default_factory=dict)


class ReceiptCounts:
    """Counts every receipt that it is told of."""

    def __init__(self) -> None:
        self._outcomes = {subject.value: Counter(dict.fromkeys(OUTCOMES, 0)) for subject in Subject}
        self._residue: Counter[str] = Counter()
        self._classes = {kind.value: [0] * (len(END_SECONDS) + 1) for kind in WorkerKind}
        self._seconds = {kind.value: 0.0 for kind in WorkerKind}

    def add(self, receipt: Receipt) -> None:
        """Count one."""
        self._outcomes[receipt.subject.value][outcome_of(receipt)] += 1
        for check in receipt.checks:
            if check.residue:
                known = check.name in self._residue or len(self._residue) < CHECKS
                self._residue[check.name if known else "others"] += len(check.residue)
        if receipt.subject is Subject.WORKER and receipt.rungs:
            took = max(0.0, receipt.ended - receipt.rungs[0].at)  # the wall clock may have jumped
            self._classes[receipt.kind.value][bisect_left(END_SECONDS, took)] += 1
            self._seconds[receipt.kind.value] += took

    def statistics(self) -> ReceiptStatistics:
        """As of now."""
        ends = {kind: EndTimes(tuple(self._classes[kind]), self._seconds[kind]) for kind in self._classes}
        outcomes = {subject: dict(counts) for subject, counts in self._outcomes.items()}
        return ReceiptStatistics(outcomes, dict(self._residue), ends)


def outcome_of(receipt: Receipt) -> str:
    """In one word: something stayed, all was looked at and nothing did, or neither is known."""
    if receipt.clean:
        return "clean"
    return "residue" if any(check.residue for check in receipt.checks) else "unknown"
