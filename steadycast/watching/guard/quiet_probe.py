"""What is left of a growth when nobody watches: that decides a suspect of a server in which nothing can be collected,
trimmed or counted. What was given back is no leak; pieces that stay are one; memory that stays may be kept for later.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from steadycast.model import Finding, Look, Measured, ProbeOutcome, Unit
from steadycast.tracking.leaks.probing import ProbeWanted
from steadycast.tracking.leaks.words import duration, noun, whole

SETTLE_S = 120.0  # nobody watched for so long: what ended had time to be given back
SPAN = 0.5  # so much of the growth must lie between two quiet times
GIVEN_BACK, STAYED = 0.2, 0.8  # shares of what should have been lost between them
TIMES = 8  # quiet times that are kept, of each series
SERIES = 2000


@dataclass(frozen=True, slots=True)
class Quiet:
    """One time in which nobody watched: when it began, and the newest value in it and its time, on the clock of the
    looks."""

    began: float
    at: float
    value: float


class QuietProbe:
    """The quiet times of the lives that run."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._kept: dict[tuple[str, Measured], tuple[str, list[Quiet]]] = {}

    def look(self, look: Look, watching: int | None) -> None:
        """One look; `watching` None: that cannot be told, so it is not quiet."""
        if watching != 0:
            self._began = None
            return
        self._began = look.monotonic if self._began is None else self._began
        if look.monotonic - self._began < SETTLE_S:
            return
        for measured, value in look.values.items():
            self._note((look.owner.role, measured), look.owner.epoch, Quiet(self._began, look.monotonic, value))

    def _note(self, key: tuple[str, Measured], epoch: str, quiet: Quiet) -> None:
        found = self._kept.get(key)
        if found is None or found[0] != epoch:
            if found is not None or len(self._kept) < SERIES:
                self._kept[key] = (epoch, [quiet])
            return
        times = found[1]
        if times[-1].began == quiet.began:
            times.pop()
        elif len(times) == TIMES:
            del times[1]  # the first is the level before anything was lost
        times.append(quiet)

    def forget(self) -> None:
        """The server ended."""
        self._began = None
        self._kept.clear()

    def answer(self, wanted: ProbeWanted, finding: Finding, monotonic: float) -> ProbeOutcome | None:
        """What the quiet time that is now proves, compared with one before; None: nothing yet."""
        epoch, times = self._kept.get((wanted.owner.role, wanted.measured), ("", []))
        if epoch != wanted.owner.epoch or len(times) < 2 or times[-1].began != self._began:
            return None
        now, since = times[-1], times[0].at if wanted.since is None else wanted.since
        before = next((one for one in reversed(times[:-1]) if one.at <= since), times[0])
        share = (now.at - max(before.at, since)) / max(monotonic - since, 1e-9)
        if finding.grown is None or finding.grown <= 0 or share < SPAN:
            return None
        return outcome(before, now, finding, min(1.0, share) * finding.grown)


def outcome(before: Quiet, now: Quiet, finding: Finding, due: float) -> ProbeOutcome:
    """`due`: how much should have been lost between two quiet times, if it is lost. Pure."""
    rose, unit = now.value - before.value, finding.unit
    what = noun(finding.measured)
    step = (
        f"nobody watched for {duration(now.at - now.began)}: {whole(now.value, unit)} of {what}, "
        f"{whole(before.value, unit)} when nobody did {duration(now.at - before.at)} before"
    )
    confirmed: bool | None = None
    if rose <= GIVEN_BACK * due:
        confirmed, why = False, "it was given back when nobody watched"
    elif rose < STAYED * due:
        why = "some of it was given back when nobody watched, some not"
    elif unit is Unit.COUNT:
        confirmed, why = True, "it stayed though nobody watched"
    else:
        why = "it stayed though nobody watched, but memory may be kept for later"
    return ProbeOutcome(time.time(), now.at - now.began, (step,), confirmed, why)
