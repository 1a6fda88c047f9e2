"""Which case a verdict of a series belongs to: what grows together is one leak. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from steadycast.model.findings import Shape
from steadycast.model.series import Measured
from steadycast.tracking.leaks.cases import Case
from steadycast.tracking.leaks.verdicts import Verdict

GROWTH = frozenset({Shape.CYCLE, Shape.TIME})
_ALIKE = 0.4  # of the longer of two growths: so long is one that began together with it


def case_of(cases: Iterable[Case], measured: Measured, verdict: Verdict, monotonic: float) -> Case | None:
    """The one that a verdict belongs to."""
    cases = tuple(cases)
    for case in cases:
        if measured in case.members:
            return case
    if not verdict.holds:
        return None
    for case in cases:
        if case.shape is verdict.shape and case.measured == measured:
            return case  # it comes back
        if case.shape in GROWTH and verdict.shape in GROWTH and _together(case, verdict, monotonic):
            return case
    return None


def _together(case: Case, verdict: Verdict, monotonic: float) -> bool:
    """Whether a growth began about when this one did, and goes with the same kind of cycle where both are known."""
    mine = case.verdict
    if case.started is not None and not case.members:
        return mine.cycle is None or verdict.cycle is None or mine.cycle == verdict.cycle
    if mine.cycle is not None and verdict.cycle is not None and mine.cycle != verdict.cycle:
        return False
    if mine.since is None or verdict.since is None:
        return True
    ages = sorted((monotonic - mine.since, monotonic - verdict.since))
    return ages[0] >= _ALIKE * ages[1]
