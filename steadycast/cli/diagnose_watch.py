"""A log that goes on: what its new lines mean, told once an incident is quiet, and seldom again while it repeats."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence

from steadycast.cli.log_files import FollowedFiles, Journal, Piped, pause, unreadable
from steadycast.tracking.signatures import Diagnosis, Incidents, Match, Matcher

QUIET_S = 1.5  # after the last line of an incident, before it is told
LONGEST_S = 5.0  # from its first line on, however long it goes on
POLL_S = 0.25
AGAIN_S = 600.0  # a repeated incident is told anew after that, or after 10, 100, ... times
Tell = Callable[[Diagnosis | str], None]


class Announcing:
    """Which diagnoses are told now. Pure: `now` is an argument, in monotonic seconds."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[float, float, Diagnosis]] = {}  # first and last news of it, and its newest state
        self._told: dict[int, tuple[float, str]] = {}

    def news(self, one: Diagnosis, now: float) -> None:
        """An incident that began, changed or came again."""
        if one.absorbed is not None:
            self._waiting.pop(one.absorbed, None)
        first = self._waiting.get(one.id, (now,))[0]
        self._waiting[one.id] = (first, now, one)

    def due(self, now: float, *, all_: bool = False) -> list[Diagnosis]:
        """Those that are quiet, or waited long enough."""
        ready = [
            one
            for first, last, one in self._waiting.values()
            if all_ or now - last >= QUIET_S or now - first >= LONGEST_S
        ]
        for one in ready:
            del self._waiting[one.id]
        shown = [one for one in ready if self._is_worth(one, now)]
        for one in shown:
            self._told[one.id] = (now, one.signature + one.why)
        return shown

    def _is_worth(self, one: Diagnosis, now: float) -> bool:
        if one.id not in self._told:
            return True
        at, what = self._told[one.id]
        round_number = one.occurrences == 10 ** (len(str(one.occurrences)) - 1)
        return what != one.signature + one.why or now - at >= AGAIN_S or (one.occurrences > 1 and round_number)


def follow_files(
    paths: Sequence[str],
    matcher: Callable[[str], Matcher],
    incidents: Incidents,
    tell: Tell,
    wait: float,
    caught_up: Callable[[], None],
) -> None:
    """Until it is interrupted, or no file came within `wait` seconds: raises CallerError then. `caught_up` is called
    when all is read that was there before."""
    announcing, until = Announcing(), time.monotonic() + wait
    tell(f"Following {', '.join(paths)}; Ctrl-C ends it.")
    with FollowedFiles(paths) as files, contextlib.suppress(KeyboardInterrupt):
        if missing := _look(files, matcher, incidents, announcing, tell):
            tell(f"{', '.join(missing)} is not there yet: waiting {wait:g} s for it.")
        caught_up()
        while True:
            if missing and time.monotonic() >= until:
                raise unreadable(missing[0], FileNotFoundError(2, f"it did not come within {wait:g} s"))
            pause(POLL_S)
            absent = _look(files, matcher, incidents, announcing, tell)
            missing = tuple(path for path in missing if path in absent)  # one that was there once may come back
    _flush(announcing, tell)


def follow_coming(matcher: Matcher, incidents: Incidents, tell: Tell, journal: Journal | Piped) -> None:
    """A journal or standard input, until it is interrupted or ends."""
    announcing = Announcing()
    with contextlib.suppress(KeyboardInterrupt):
        try:
            while (data := journal.read(POLL_S)) is not None:
                _take(matcher.feed(data), incidents, announcing)
                for one in announcing.due(time.monotonic()):
                    tell(one)
            _take(matcher.finish(), incidents, announcing)
        finally:
            journal.close()
    _flush(announcing, tell)


def _look(
    files: FollowedFiles,
    matcher: Callable[[str], Matcher],
    incidents: Incidents,
    announcing: Announcing,
    tell: Tell,
) -> tuple[str, ...]:
    """Reads all that is there, and tells what is due; answers which files are not there."""
    while pieces := files.read():
        for path, data in pieces:
            _take(matcher(path).feed(data), incidents, announcing)
        for one in announcing.due(time.monotonic()):
            tell(one)
    for one in announcing.due(time.monotonic()):
        tell(one)
    return files.missing


def _take(matches: Iterable[Match], incidents: Incidents, announcing: Announcing) -> None:
    now = time.monotonic()
    for match in matches:
        if (one := incidents.add(match)) is not None:
            announcing.news(one, now)


def _flush(announcing: Announcing, tell: Tell) -> None:
    for one in announcing.due(time.monotonic(), all_=True):
        tell(one)
