"""What is said when a watch is over."""

from __future__ import annotations

from collections.abc import Iterator

from steadycast.model import FindingState
from steadycast.watching.watch.run import Watched
from steadycast.watching.watch.words import STYLES, duration, label, lines, nothing_found, number_of

SHOWN = 20
_AROUND = ("cgroup:", "host")  # no processes, but what they are in


def summary(found: Watched) -> Iterator[tuple[str, str]]:
    """Lines, each with its style."""
    courses = found.observing.courses
    ended = courses.ended
    came = f", {number_of(ended, 'session')} came and went" if ended else ""
    many = sum(not one.startswith(_AROUND) for one in courses.owners)
    ending = f"{found.ended[:1].upper()}{found.ended[1:]}"
    roles, looks = number_of(many, "process"), number_of(courses.looks, "look")
    yield f"{ending}. Watched for {duration(found.seconds)}: {roles}, {looks}{came}.", ""
    if found.failed:
        yield "It ended before there was anything to judge.", "red"
        return
    for one in found.findings[:SHOWN]:
        first, *rest = lines(one, ended=True)
        yield f"{label(one).upper()}: {first}", STYLES.get(one.state, "dim")
        yield from ((f"  {line}", "dim") for line in rest)
    if any(one.is_undecided for one in found.findings):
        yield (
            "What is not decided may be a leak: watch on, it is told again when there is twice as much of it.",
            "yellow",
        )
    elif not any(one.state in (FindingState.CONFIRMED, FindingState.SUSPECT) for one in found.findings):
        yield nothing_found(found.seconds, ended, courses.readings)
    by_why: dict[str, list[str]] = {}
    for unknown in courses.unknown():
        if not unknown["role"].startswith(_AROUND):
            by_why.setdefault(unknown["why"], []).append(f"{unknown['resource']} of {unknown['role']}")
    for why, of in list(by_why.items())[:4]:
        more = f" and {len(of) - 3} more" if len(of) > 3 else ""
        yield f"Not known: {', '.join(of[:3])}{more}: {why}", "dim"
