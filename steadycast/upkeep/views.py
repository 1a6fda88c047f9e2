"""A finding as API, webhook and page show it: names for everything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from steadycast.model import (
    ActionTaken,
    Exhaustion,
    Finding,
    FindingState,
    Measured,
    ProbeOutcome,
    Rate,
    Resource,
    Shape,
    Suspicion,
    Unit,
)


@dataclass(frozen=True, slots=True)
class Watched:
    """How much the host looks at, and the headlines of what it found and is still so."""

    processes: int
    series: int
    suspects: tuple[str, ...]
    confirmed: tuple[str, ...]


def watched_of(findings: Iterable[Finding], processes: int, series: int) -> Watched:
    """In short, given all findings that are kept."""
    still = [one for one in findings if one.closed is None]
    suspects, confirmed = (
        tuple(one.headline for one in still if one.state is state)
        for state in (FindingState.SUSPECT, FindingState.CONFIRMED)
    )
    return Watched(processes, series, suspects, confirmed)


@dataclass(frozen=True, slots=True)
class OwnerView:
    """Whose it is; None: not known, or nothing of the kind."""

    role: str
    epoch: str
    pid: int | None
    lobby: str | None
    source: str | None
    codec: str | None
    device: str | None
    command: str | None


@dataclass(frozen=True, slots=True)
class MeasuredView:
    """What a series is of."""

    resource: Resource
    detail: str


@dataclass(frozen=True, slots=True)
class FindingView:
    """As `Finding`. Times are Unix seconds; `related` grew together with it."""

    id: str
    headline: str
    state: FindingState
    shape: Shape
    owner: OwnerView
    resource: Resource
    detail: str
    unit: Unit
    opened: float
    updated: float
    since: float | None
    level: float | None
    grown: float | None
    per_hour: Rate | None
    per_cycle: Rate | None
    cycle: str | None
    cycles: int | None
    exhaustion: Exhaustion | None
    sources: tuple[Suspicion, ...]
    evidence: tuple[str, ...]
    related: tuple[MeasuredView, ...]
    signatures: tuple[str, ...]
    probe: ProbeOutcome | None
    actions: tuple[ActionTaken, ...]
    closed: float | None
    why_closed: str | None
    decide_by: float | None
    hindered: str | None


def finding_view(one: Finding) -> FindingView:
    """For people and programs outside."""
    owner, about = one.owner, one.owner.about
    return FindingView(
        id=one.id,
        headline=one.headline,
        state=one.state,
        shape=one.shape,
        owner=OwnerView(
            owner.role, owner.epoch, owner.pid, about.lobby, about.source, about.codec, about.device, about.command
        ),
        resource=one.measured.resource,
        detail=one.measured.detail,
        unit=one.unit,
        opened=one.opened,
        updated=one.updated,
        since=one.since,
        level=one.level,
        grown=one.grown,
        per_hour=one.per_hour,
        per_cycle=one.per_cycle,
        cycle=one.cycle,
        cycles=one.cycles,
        exhaustion=one.exhaustion,
        sources=one.sources,
        evidence=one.evidence,
        related=tuple(_measured(other) for other in one.related),
        signatures=one.signatures,
        probe=one.probe,
        actions=one.actions,
        closed=one.closed,
        why_closed=one.why_closed,
        decide_by=one.decide_by,
        hindered=one.hindered,
    )


def _measured(measured: Measured) -> MeasuredView:
    return MeasuredView(measured.resource, measured.detail)
