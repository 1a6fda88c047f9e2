"""A suspect of somebody else's server, decided by what is left of it when nobody watches, or not decided: why."""

from __future__ import annotations

from pathlib import Path

import pytest

from steadycast.model import FindingChange, FindingEvent, Look, Measured, Owner, Resource
from steadycast.tracking.probes.sampler import Sample, Sampled
from steadycast.watching.guard.leaks import LeakWatch
from steadycast.watching.guard.policy import FindingsPolicy, Policy
from steadycast.watching.guard.views import decided_by
from steadycast.watching.watch.observing import Observing
from steadycast.watching.watch.words import clock, event_line

SOCKETS = Measured(Resource.DESCRIPTORS, "socket")
OWNER = Owner("server", "100:100")


class Served:
    """Looks at a server, one a minute, by what watched and what it had then."""

    def __init__(self, folder: Path) -> None:
        self.watching: int | None = 0
        self.watch = LeakWatch("server", FindingsPolicy(), folder, lambda: self.watching)
        self.watch.born(100)
        self.minute = self.sessions = 0
        self.events: list[FindingEvent] = []

    def look(self, sockets: int, watching: int | None) -> None:
        self.watching = watching
        self.minute += 1
        at = 60.0 * self.minute
        look = Look(OWNER, 1e9 + at, at, {SOCKETS: float(sockets)}, finished={"session": self.sessions}, quiet=True)
        self.watch.take(Sampled((Sample(look),), {}, (), (), 0.0))
        self.events += self.watch.events()

    def grow(self) -> int:
        """Quiet, then sessions until there is a suspect: how many sockets there are then."""
        for _ in range(5):
            self.look(20, 0)
        sockets = 20
        while not self.watch.suspects:
            self.sessions += 1
            sockets += 6
            self.look(sockets, 2)
        return sockets

    @property
    def changes(self) -> list[FindingChange]:
        return [one.change for one in self.events]


@pytest.mark.parametrize(
    ("stays", "change", "why"),
    [(True, FindingChange.CONFIRMED, "stayed"), (False, FindingChange.CLOSED, "given back")],
)
def test_what_is_left_when_nobody_watches_decides(tmp_path: Path, stays: bool, change: FindingChange, why: str) -> None:
    served = Served(tmp_path)
    sockets = served.grow()
    assert served.changes == [FindingChange.OPENED]
    for _ in range(4):
        served.look(sockets if stays else 20, 0)
    assert served.changes == [FindingChange.OPENED, change]
    probe = served.events[-1].finding.probe
    assert probe is not None and why in probe.why
    assert f"{sockets if stays else 20} descriptors (socket), 20 when nobody did" in probe.steps[0]
    assert served.watch.suspects == ()
    served.watch.close()


def test_a_quiet_time_decides_nothing_before_it_settled_or_where_it_cannot_be_told(tmp_path: Path) -> None:
    served = Served(tmp_path)
    sockets = served.grow()
    for watching in (0, 0, None, 0, 0, 1, 0, 0):  # never for two minutes
        served.look(sockets, watching)
    assert served.changes == [FindingChange.OPENED]
    assert all(one.finding.probe is None for one in served.events)
    served.watch.close()


class Observed:
    """What `watch` sees of a server: a look a minute at how many sessions and sockets it has."""

    def __init__(self, *, tells: bool = True, from_first: bool = True) -> None:
        """`from_first`: it tells of sessions before there was one."""
        self.observing = Observing(["server"], None)
        self.minute, self.ended, self.sockets = 0, 0, 20
        self.events: list[FindingEvent] = []
        self._tells, self._known = tells, from_first

    def look(self, sessions: int) -> None:
        self.minute += 1
        self._known = self._known or sessions > 0
        load = {"sessions": float(sessions)} if self._tells and self._known else {}
        at, finished = 60.0 * self.minute, {"session": self.ended}
        look = Look(OWNER, 1e9 + at, at, {SOCKETS: float(self.sockets)}, load=load, finished=finished, quiet=True)
        self.observing.take(Sampled((Sample(look),), {}, (), (), 0.0))
        self.events += self.observing.news()[0]

    def grow(self) -> None:
        """Nobody for a while, then one loses a socket each session until it is suspected."""
        for _ in range(5):
            self.look(0)
        while not self.events:
            self.ended, self.sockets = self.ended + 1, self.sockets + 6
            self.look(1)


@pytest.mark.parametrize(
    ("stays", "change"), [(True, FindingChange.CONFIRMED), (False, FindingChange.CLOSED)], ids=["stays", "given back"]
)
@pytest.mark.parametrize("from_first", [True, False])
def test_watch_decides_by_what_is_left_without_sessions(stays: bool, change: FindingChange, from_first: bool) -> None:
    observed = Observed(from_first=from_first)
    observed.grow()
    observed.sockets = observed.sockets if stays else 20
    for _ in range(4):
        observed.look(0)
    assert [one.change for one in observed.events] == [FindingChange.OPENED, change]
    assert observed.events[-1].finding.probe is not None


@pytest.mark.parametrize(
    ("tells", "why"), [(True, "not been without users for 2 minutes"), (False, "nothing tells when nobody uses it")]
)
def test_what_watch_cannot_decide_is_closed_within_the_hour_and_says_why(tells: bool, why: str) -> None:
    observed = Observed(tells=tells)
    observed.grow()
    for _ in range(62):
        observed.look(1)
    (found,) = observed.observing.findings()
    assert [one.change for one in observed.events] == [FindingChange.OPENED, FindingChange.CLOSED]
    assert found.is_undecided and why in str(found.why_closed)
    assert event_line(observed.events[0])[0].endswith("(decided by " + clock(found.opened + 3600) + ")")
    assert event_line(observed.events[1])[0].startswith("NOT DECIDED: ")


def test_status_says_what_decides() -> None:
    plain = {"name": "server", "target": {"command": ["true"]}}
    assert "does not say who watches" in decided_by(Policy.model_validate(plain))
    quiet = plain | {"quiet": {"watching": {"port": 8554}}}
    assert "nobody watches for 2 minutes" in decided_by(Policy.model_validate(quiet))
