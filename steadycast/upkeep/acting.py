"""What is done about a finding. Pure: a change of a finding in, acts out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from steadycast.config.settings import FindingSettings
from steadycast.model import Finding, FindingChange, FindingEvent, FindingState, Resource, Shape

_PAGES = frozenset({FindingChange.CONFIRMED, FindingChange.WORSE, FindingChange.HEALED, FindingChange.CLOSED})
_DEVICE = frozenset({Resource.VRAM, Resource.BAR1, Resource.SHARED_VRAM})


@dataclass(frozen=True, slots=True)
class Recycle:
    """Replace a worker, by id."""

    worker: str
    why: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Take no new work on a device."""

    device: str
    why: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the webhook."""


Act = Recycle | Refuse | Notify


def acts(event: FindingEvent, worker: Callable[[str], str | None], settings: FindingSettings) -> tuple[Act, ...]:
    """What a change asks for. `worker` is who has a role now.

    A worker is replaced once for each finding that is confirmed, and again each time that it got worse: another life of
    the same role that leaks again has a change of its own. Foreign things stay where they are, and what only the
    allocator keeps is not lost: neither goes with its worker for sure, so nothing is done but told.
    """
    finding = event.finding
    done: list[Act] = []
    leaks = event.change in (FindingChange.CONFIRMED, FindingChange.WORSE) and finding.state is FindingState.CONFIRMED
    if leaks and settings.recycle and finding.shape not in (Shape.FOREIGN, Shape.RATCHET):
        holder = worker(finding.owner.role)
        if holder is not None and _alive(finding):
            done.append(Recycle(holder, finding.headline))
    if leaks and settings.refuse and (device := _device(finding)) is not None:
        done.append(Refuse(device, finding.headline))
    if settings.webhook is not None and _told(event):
        done.append(Notify())
    return tuple(done)


def _alive(finding: Finding) -> bool:
    """A finding that heals or is closed needs no new worker."""
    return finding.closed is None


def _device(finding: Finding) -> str | None:
    if finding.measured.resource not in _DEVICE or finding.exhaustion is None:
        return None
    return finding.measured.detail or finding.owner.about.device


def _told(event: FindingEvent) -> bool:
    """Suspects tell nobody; what became of a confirmed one does."""
    if event.change in (FindingChange.HEALED, FindingChange.CLOSED):
        return event.finding.probe is None or event.finding.probe.confirmed is not False
    return event.change in _PAGES
