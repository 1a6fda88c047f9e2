"""When a restart meets nobody: the window of a day, and whether somebody watches. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from steadycast.watching.guard.facts import Facts, Moment
from steadycast.watching.guard.policy import DAYS, QuietPolicy


def quiet_now(facts: Facts, quiet: QuietPolicy | None, now: Moment) -> tuple[bool | None, str]:
    """Whether it is quiet (None: that cannot be told), and why."""
    if quiet is None:
        return None, "the policy does not say when it is quiet"
    if not in_window(quiet, now.local):
        return False, f"the window is {quiet.begin} to {quiet.end}{days_words(quiet)}"
    if quiet.watching is None:
        return True, "the window is open"
    if facts.watching is None:
        return None, "it cannot be told whether somebody watches"
    if facts.watching > 0:
        return False, f"{facts.watching} watch"
    free = facts.nobody_s or 0.0
    if free < quiet.for_s:
        return False, f"nobody watches, for {free:.0f} of {quiet.for_s:g} s"
    return True, "nobody watches"


def in_window(quiet: QuietPolicy, local: datetime) -> bool:
    """A window over midnight belongs to the day on which it began."""
    if quiet.begin is None or quiet.end is None:
        return DAYS[local.weekday()] in quiet.days
    minute = f"{local:%H:%M}"
    if quiet.begin < quiet.end:
        return quiet.begin <= minute < quiet.end and DAYS[local.weekday()] in quiet.days
    if minute >= quiet.begin:
        return DAYS[local.weekday()] in quiet.days
    return minute < quiet.end and DAYS[(local - timedelta(days=1)).weekday()] in quiet.days


def days_words(quiet: QuietPolicy) -> str:
    """On which days, where not on all."""
    return "" if len(set(quiet.days)) == len(DAYS) else f" on {', '.join(quiet.days)}"
