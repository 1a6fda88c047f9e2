"""What is said when a watch is over."""

from __future__ import annotations

from collections.abc import Iterator

from steadycast.model import FindingState
from steadycast.watching.watch.run import Watched
from steadycast.watching.watch.words import STYLES, duration, label, lines

TREND_S = 3 * 3600.0  # that a growth with time needs at least
CYCLES = 10
SHOWN = 20
_AROUND = ("cgroup:", "host")  # no processes, but what they are in


def summary(found: Watched) -> Iterator[tuple[str, str]]:
    """Lines, each with its style."""
    courses = found.observing.courses
    ended = max((sum(one.values()) for one in courses.finished.values()), default=0)
    came = f", {_count(ended, 'session')} came and went" if ended else ""
    many = sum(not one.startswith(_AROUND) for one in courses.owners)
    ending = f"{found.ended[:1].upper()}{found.ended[1:]}"
    roles, looks = _count(many, "process"), _count(courses.looks, "look")
    yield f"{ending}. Watched for {duration(found.seconds)}: {roles}, {looks}{came}.", ""
    if found.failed:
        yield "It ended before there was anything to judge.", "red"
        return
    for one in found.findings[:SHOWN]:
        first, *rest = lines(one)
        yield f"{label(one).upper()}: {first}", STYLES.get(one.state, "dim")
        yield from ((f"  {line}", "dim") for line in rest)
    if any(one.is_undecided for one in found.findings):
        yield (
            "What is not decided may be a leak: watch on, it is told again when there is twice as much of it.",
            "yellow",
        )
    elif not any(one.state in (FindingState.CONFIRMED, FindingState.SUSPECT) for one in found.findings):
        yield _nothing(found.seconds, ended, courses.readings)
    by_why: dict[str, list[str]] = {}
    for unknown in courses.unknown():
        if not unknown["role"].startswith(_AROUND):
            by_why.setdefault(unknown["why"], []).append(f"{unknown['resource']} of {unknown['role']}")
    for why, of in list(by_why.items())[:4]:
        more = f" and {len(of) - 3} more" if len(of) > 3 else ""
        yield f"Not known: {', '.join(of[:3])}{more}: {why}", "dim"


def _nothing(seconds: float, ended: int, readings: int) -> tuple[str, str]:
    """`readings`: quiet looks after sessions; what ends while it is never quiet cannot be compared."""
    if seconds >= TREND_S or readings >= CYCLES:
        return "Nothing leaks, as far as can be told in that time.", "green"
    seen = f"it was quiet after {readings} of {_count(ended, 'session')}" if ended else "no session came and went"
    wanted = f"{CYCLES} sessions that come and go, or {duration(TREND_S)}"
    return f"Nothing was found, but that was too short to tell ({seen}): it takes {wanted}.", "yellow"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "es" if what.endswith("s") else "s")
