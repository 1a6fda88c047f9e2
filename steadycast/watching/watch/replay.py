"""A record judged again, look by look, as it would have been judged live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steadycast.errors import ConfigError
from steadycast.model import Finding, FindingState
from steadycast.tracking.leaks.detection import Detection
from steadycast.watching.common.growth import over_time
from steadycast.watching.common.quiet_probe import QuietProbe, users_of
from steadycast.watching.watch.aims import is_group
from steadycast.watching.watch.record import judges_groups, read
from steadycast.watching.watch.report import Courses, finding_plain, ordered
from steadycast.watching.watch.words import STYLES, duration, label, lines, nothing_found, number_of


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a record shows. Times are Unix seconds; `seconds` are those of the clock of the looks."""

    path: Path
    began: float
    ended: float
    seconds: float
    courses: Courses
    findings: tuple[Finding, ...]

    @property
    def confirmed(self) -> int:
        """Findings that are."""
        return sum(one.state is FindingState.CONFIRMED for one in self.findings)

    def plain(self) -> dict[str, Any]:
        """One object."""
        return {
            "file": str(self.path), "kind": "record", "dated": True, "began": self.began, "ended": self.ended,
            "seconds": self.seconds, "looks": self.courses.looks, "roles": self.courses.roles(),
            "series": self.courses.series(),
            "findings": [{"column": _column(one), **finding_plain(one)} for one in self.findings],
            "unknown": self.courses.unknown(),
        }  # fmt: skip

    def told(self) -> Iterator[tuple[str, str]]:
        """Lines for a person, each with its style."""
        looks = number_of(self.courses.looks, "look")
        yield f"{looks} at {number_of(len(self.courses.owners), 'role')} in {duration(self.seconds)}", "dim"
        for one in self.findings:
            first, *rest = lines(one, ended=True)
            yield f"{label(one)}: {first}", STYLES.get(one.state, "dim")
            yield from ((f"  {line}", "dim") for line in rest)
        if not self.findings:
            yield nothing_found(self.seconds, self.courses.ended, self.courses.readings)


def replay(path: Path) -> Replayed:
    """Raises ConfigError."""
    detection, courses, quiet = Detection(trends=over_time), Courses(), QuietProbe()
    first, last, groups = None, None, judges_groups(path)
    for look, bounds in read(path):
        if last is not None and look.monotonic > last.monotonic:
            quiet.decide(detection)  # that round is over
        if groups or not is_group(look.owner.role):
            detection.observe(look, bounds)
            quiet.look(look, users_of(look), is_told=bool(look.load))
        courses.add(look)
        first, last = first or look, look
    if first is None or last is None:
        raise ConfigError("analyze.record", f"{path} holds no look.", hint="It was ended before the first one.")
    quiet.decide(detection)
    seconds = last.monotonic - first.monotonic
    return Replayed(path, first.at, last.at, seconds, courses, tuple(ordered(detection.findings())))


def _column(one: Finding) -> str:
    return " ".join(filter(None, (one.owner.role, one.measured.resource.value, one.measured.detail)))
