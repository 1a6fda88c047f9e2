"""A suspect that nobody can decide is closed within the hour, and comes back only where there is more of it."""

from __future__ import annotations

import json

from steadycast.model.findings import NOT_DECIDED, FindingChange, FindingState, ProbeOutcome, Shape
from steadycast.model.series import Owner
from steadycast.tracking.leaks.book import Book, Now, Scene
from steadycast.tracking.leaks.cases import AGAIN, DECIDE_S
from steadycast.tracking.leaks.detection import Detection
from steadycast.tracking.leaks.verdicts import CYCLES, TREND, Verdict
from tests.support.looks import SOCKETS, Watched, first

OPENED, CONFIRMED, CLOSED = FindingChange.OPENED, FindingChange.CONFIRMED, FindingChange.CLOSED


def grown(watched: Watched, sessions: int = 7) -> int:
    """Loses a socket each session until it is a suspect."""
    for n in range(sessions):
        watched.look({SOCKETS: 10 + n})
    assert watched.changes() == [OPENED]
    return 10 + sessions - 1


def rest(watched: Watched, sockets: int, minutes: int) -> None:
    """Nothing comes, nothing goes, nothing is given back."""
    for _ in range(minutes):
        watched.sessions -= 1
        watched.look({SOCKETS: sockets})


def test_a_suspect_says_when_it_is_decided_and_is_not_open_for_longer() -> None:
    watched = Watched()
    sockets = grown(watched)
    opened = first(watched.events, OPENED).finding
    assert opened.decide_by == opened.opened + DECIDE_S
    watched.detection.hindered(opened.id, "it was always in use")
    rest(watched, sockets, 58)
    (found,) = watched.detection.findings()
    assert (found.state, found.hindered) == (FindingState.SUSPECT, "it was always in use")
    rest(watched, sockets, 4)
    assert watched.changes() == [OPENED, CLOSED]
    (found,) = watched.detection.findings()
    assert found.why_closed == f"{NOT_DECIDED}: it was always in use"
    assert found.is_undecided and found.decide_by is None and found.hindered is None
    assert watched.detection.probes_wanted() == ()
    rest(watched, sockets, 300)
    assert watched.changes() == [OPENED, CLOSED]


def test_the_last_probe_says_why_it_was_not_decided() -> None:
    watched = Watched()
    sockets = grown(watched)
    (wanted,) = watched.detection.probes_wanted()
    watched.detection.probed(wanted.finding, ProbeOutcome(1.0, 2.0, (), None, "some of it was given back"))
    rest(watched, sockets, 65)
    assert watched.events[-1].finding.why_closed == f"{NOT_DECIDED}: some of it was given back"


def test_what_is_proven_later_is_told_as_another_finding() -> None:
    watched = Watched()
    sockets = grown(watched)
    rest(watched, sockets, 65)
    for n in range(1, 8):
        watched.look({SOCKETS: sockets + 9 * n})
    assert watched.changes() == [OPENED, CLOSED, OPENED, CONFIRMED]
    again = watched.events[-1].finding
    assert again.id != watched.events[0].finding.id
    assert again.decide_by is None
    assert any("could not be decided once before" in line for line in again.evidence)


def test_another_life_is_another_chance() -> None:
    watched = Watched()
    sockets = grown(watched)
    rest(watched, sockets, 65)
    watched.restart("4712:9000")
    for n in range(8):
        watched.look({SOCKETS: 10 + n})
    assert watched.changes() == [OPENED, CLOSED, OPENED, CONFIRMED]
    assert "coming back after a restart" in " ".join(watched.events[-1].finding.evidence)


def test_one_that_stopped_growing_is_forgotten() -> None:
    watched = Watched()
    sockets = grown(watched)
    rest(watched, sockets, 65)
    for _ in range(30):
        watched.look({SOCKETS: 10})
    assert watched.changes() == [OPENED, CLOSED]
    for n in range(7):
        watched.look({SOCKETS: 40 + n})
    assert not any("could not be decided" in line for one in watched.events[2:] for line in one.finding.evidence)


def test_it_is_known_after_a_restart_of_who_watches() -> None:
    watched = Watched()
    sockets = grown(watched)
    rest(watched, sockets, 65)
    saved = json.loads(json.dumps(watched.detection.saved()))
    watched.detection = Detection()
    watched.detection.restore(saved)
    for n in range(1, 8):
        watched.look({SOCKETS: sockets + 9 * n})
    assert watched.changes() == [OPENED, CLOSED, OPENED, CONFIRMED]


def test_it_is_a_suspect_again_only_so_often_each_time_that_it_doubled() -> None:
    book, owner, opened = Book(), Owner("server", "1:1", 1), []
    for minute in range(12 * 60):
        now = Now(1e9 + 60.0 * minute, 60.0 * minute)
        verdict = Verdict(Shape.CYCLE, CYCLES, 0.01, 0.0, 100.0, 2.0 ** (minute / 120))
        events = [*book.say(Scene(owner, (), (), now), SOCKETS, verdict), *book.settle("server", {}, now)]
        opened += [minute for one in events if one.change is OPENED]
    assert opened == [0, 180, 360, 540]  # closed after an hour, doubled two hours later
    assert len(opened) == 1 + AGAIN
    assert not book.open


def test_one_that_was_not_its_turn_to_be_probed_says_so() -> None:
    book, closed = Book(), []
    for minute in range(70):
        now = Now(1e9 + 60.0 * minute, 60.0 * minute)
        verdict = Verdict(Shape.TIME, TREND, 0.01, 0.0, 100.0, 5.0)
        for role in "abcdefgh":  # four at once may be probed, and twelve a day
            events = [*book.say(Scene(Owner(role, "1:1"), (), (), now), SOCKETS, verdict), *book.settle(role, {}, now)]
            closed += [str(one.finding.why_closed) for one in events if one.change is CLOSED]
    assert sorted(set(closed)) == [
        f"{NOT_DECIDED}: as many others were probed today as may be",
        f"{NOT_DECIDED}: nobody could probe it",
    ]
    assert len(closed) == 8


def test_what_may_be_a_pool_that_fills_is_not_decided_by_what_stays() -> None:
    watched = Watched()
    sockets = grown(watched)
    (wanted,) = watched.detection.probes_wanted()
    assert watched.detection.probed(wanted.finding, ProbeOutcome(1.0, 2.0, (), True, "it stayed")) == ()
    (found,) = watched.detection.findings()
    assert found.hindered == "it stayed, but a pool that is not full yet would look the same"
    rest(watched, sockets, 65)
    assert watched.events[-1].finding.why_closed == f"{NOT_DECIDED}: {found.hindered}"


def test_a_probe_that_came_late_confirms_when_it_has_gone_on_for_long_enough() -> None:
    book, owner, changes = Book(), Owner("server", "1:1", 1), []
    for minute in range(120):
        now = Now(1e9 + 60.0 * minute, 36_000 + 60.0 * minute)
        verdict = Verdict(Shape.TIME, TREND, 0.01, 0.0, 100.0, 5.0 + minute / 100)
        events = [*book.say(Scene(owner, (), (), now), SOCKETS, verdict), *book.settle("server", {}, now)]
        if minute == 55:
            (wanted,) = book.probes(now.monotonic)
            events += book.probed(wanted.finding, ProbeOutcome(1.0, 2.0, (), True, "it stayed"), now)
        changes += [(minute, one.change) for one in events]
    assert changes == [(0, OPENED), (60, CLOSED), (95, OPENED), (95, CONFIRMED)]
