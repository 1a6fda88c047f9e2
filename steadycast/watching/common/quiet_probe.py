"""What is left of a growth when nobody watches: that decides a suspect of a server in which nothing can be collected,
trimmed or counted. What was given back is no leak; pieces that stay are one; memory that stays may be kept for later.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from steadycast.model import Finding, FindingEvent, Look, Measured, ProbeOutcome, Unit
from steadycast.tracking.leaks.detection import Detection
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
    """The quiet times of the lives that run, of one target or several."""

    def __init__(self) -> None:
        self._began: dict[str, float | None] = {}  # the quiet time that is now, by target; None: somebody watches
        self._kept: dict[tuple[str, Measured], tuple[str, list[Quiet]]] = {}
        self._told: set[str] = set()  # targets of which it is known when somebody uses them
        self._now = 0.0  # of the newest look

    def look(self, look: Look, watching: int | None, *, is_told: bool = True) -> None:
        """One look; `watching` None: that cannot be told, so it is not quiet. `is_told` False: nobody was seen so far,
        and whether anybody can be seen at all shows only when the first one comes."""
        target, self._now = target_of(look.owner.role), look.monotonic
        if is_told and watching is not None:
            self._told.add(target)
        if watching != 0:
            if watching is not None or target in self._began:
                self._began[target] = None
            return
        began = self._began.get(target)
        if began is None:
            began = self._began[target] = look.monotonic
        if look.monotonic - began < SETTLE_S:
            return
        for measured, value in look.values.items():
            self._note((look.owner.role, measured), look.owner.epoch, Quiet(began, look.monotonic, value))

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
        self._began.clear()
        self._told.clear()
        self._kept.clear()

    def decide(self, detection: Detection) -> tuple[FindingEvent, ...]:
        """Answers all suspects that want a probe, as far as can be told by now."""
        events: list[FindingEvent] = []
        for wanted in detection.probes_wanted():
            between = self._between(wanted)
            if isinstance(between, str):
                detection.hindered(wanted.finding, between)
                continue
            before, now, share = between
            finding = next(one for one in detection.findings() if one.id == wanted.finding)
            if finding.grown is not None and finding.grown > 0:
                due = min(1.0, share) * finding.grown
                events += detection.probed(wanted.finding, outcome(before, now, finding, due))
        return tuple(events)

    def _between(self, wanted: ProbeWanted) -> tuple[Quiet, Quiet, float] | str:
        """A quiet time before, the one that is now, and what share of the growth lies between them; or why that
        cannot be told yet."""
        target = target_of(wanted.owner.role)
        if target not in self._told:
            return "nothing tells when nobody uses it"
        epoch, times = self._kept.get((wanted.owner.role, wanted.measured), ("", []))
        if epoch != wanted.owner.epoch or not times or times[-1].began != self._began[target]:
            return f"it has not been without users for {duration(SETTLE_S)} since it is suspected"
        if len(times) < 2:
            return "it was not without users before, so there is nothing to compare with"
        now, since = times[-1], times[0].at if wanted.since is None else wanted.since
        before = next((one for one in reversed(times[:-1]) if one.at <= since), times[0])
        share = (now.at - max(before.at, since)) / max(self._now - since, 1e-9)
        return (before, now, share) if share >= SPAN else "most of it grew before it was without users"


def target_of(role: str) -> str:
    """Of what is watched, the target that a role belongs to (`server/ffmpeg#2`: `server`)."""
    return role.split("/", 1)[0]


def users_of(look: Look) -> int:
    """How many use it, by what the look knows of its load."""
    return int(max(look.load.values(), default=0))


def outcome(before: Quiet, now: Quiet, finding: Finding, due: float) -> ProbeOutcome:
    """`due`: how much should have been lost between two quiet times, if it is lost. Pure."""
    rose, unit = now.value - before.value, finding.unit
    what = f"of {noun(finding.measured)}" if unit is Unit.BYTES else noun(finding.measured)
    step = (
        f"nobody watched for {duration(now.at - now.began)}: {whole(now.value, unit)} {what}, "
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
