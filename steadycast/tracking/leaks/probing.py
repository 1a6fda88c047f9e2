"""What is wanted of whoever can act on a suspect, and what its answer proves. No act is done here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from steadycast.model.series import Measured, Owner, Resource

RETRY_S = 1200.0  # after a probe that could not decide: all tries are within the time that a suspect has
TRIES = 3


class ProbeStep(StrEnum):
    """In this order; what cannot be done is left out and said so in the outcome."""

    COLLECT = "collect"  # Python's garbage, twice
    TRIM = "trim"  # malloc_trim
    QUIESCE = "quiesce"  # move work away or wait until there is none, and look again
    CANARY = "canary"  # let twenty cycles come and go, with a look after each
    OBJECTS = "objects"  # difference of live objects by type over some cycles


@dataclass(frozen=True, slots=True)
class ProbeWanted:
    """One suspect that is to be probed. `since` is the change point on the clock of the looks."""

    finding: str
    owner: Owner
    measured: Measured
    cycle: str | None
    since: float | None
    steps: tuple[ProbeStep, ...]


def steps_for(measured: Measured, cycle: str | None) -> tuple[ProbeStep, ...]:
    """What can tell loss from retention for this resource."""
    inside = measured.resource in (Resource.IN_USE, Resource.PRIVATE, Resource.PSS, Resource.USS, Resource.RSS)
    steps = [ProbeStep.COLLECT]
    if inside:
        steps.append(ProbeStep.TRIM)
    steps.append(ProbeStep.QUIESCE)
    if cycle is not None:
        steps.append(ProbeStep.CANARY)
    return (*steps, ProbeStep.OBJECTS)
