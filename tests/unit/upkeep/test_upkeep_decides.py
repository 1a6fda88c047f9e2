"""What is done about a finding, whose counts go on, and what a probe proves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steadycast.config.settings import FindingSettings
from steadycast.lobbies.holding import Held
from steadycast.model import (
    About,
    Exhaustion,
    Finding,
    FindingChange,
    FindingEvent,
    FindingState,
    Measured,
    Measures,
    Owner,
    Resource,
    Shape,
    Unit,
)
from steadycast.upkeep.acting import Notify, Recycle, Refuse, acts
from steadycast.upkeep.owners import Board, Tallies
from steadycast.upkeep.probing import Weighed, judge

OWNER = Owner("lobby:a", "7:1", 7, About(lobby="a", device="nvidia:GPU-1"))
FINDING = Finding(
    "f1",
    Shape.CYCLE,
    FindingState.CONFIRMED,
    OWNER,
    Measured(Resource.PRIVATE),
    Unit.BYTES,
    "leaks",
    1,
    2,
    0,
    9e6,
    8e6,
)
TELLS = FindingSettings(webhook="https://ops.example/hook")


def done(change: FindingChange, finding: Finding = FINDING, settings: FindingSettings = TELLS) -> tuple[object, ...]:
    return acts(FindingEvent(change, finding), {"lobby:a": "lobby-1"}.get, settings)


@pytest.mark.parametrize("change", [FindingChange.CONFIRMED, FindingChange.WORSE])
def test_a_confirmed_leak_replaces_its_worker_and_is_told(change: FindingChange) -> None:
    assert done(change) == (Recycle("lobby-1", "leaks"), Notify())


def test_a_suspect_does_nothing() -> None:
    suspect = replace(FINDING, state=FindingState.SUSPECT)
    assert done(FindingChange.OPENED, suspect) == ()
    assert done(FindingChange.WORSE, suspect)[:-1] == ()


@pytest.mark.parametrize("shape", [Shape.FOREIGN, Shape.RATCHET])
def test_what_does_not_go_with_the_worker_is_only_told(shape: Shape) -> None:
    assert done(FindingChange.CONFIRMED, replace(FINDING, shape=shape)) == (Notify(),)


def test_a_role_that_nobody_has_is_only_told() -> None:
    other = replace(FINDING, owner=replace(OWNER, role="control plane"))
    assert done(FindingChange.CONFIRMED, other) == (Notify(),)


def test_a_device_is_closed_only_where_that_is_wanted_and_its_memory_runs_out() -> None:
    vram = replace(FINDING, measured=Measured(Resource.VRAM, "nvidia:GPU-1"))
    ends = replace(vram, exhaustion=Exhaustion("VRAM", 10.0, 9.0, 60.0, 30.0, 100.0))
    refuses = FindingSettings(recycle=False, refuse=True)
    assert done(FindingChange.CONFIRMED, ends, refuses) == (Refuse("nvidia:GPU-1", "leaks"),)
    assert done(FindingChange.CONFIRMED, vram, refuses) == ()
    assert done(FindingChange.CONFIRMED, ends, FindingSettings(recycle=False)) == ()


def test_counts_go_on_over_control_planes() -> None:
    tallies = Tallies()
    assert tallies.of("7:1", {"viewer": 3}) == {"viewer": 3}
    assert tallies.of("7:1", {"viewer": 5}) == {"viewer": 5}
    later = Tallies.restored(tallies.saved())
    assert later.of("7:1", {"viewer": 0}) == {"viewer": 5}
    assert later.of("7:1", {"viewer": 2}) == {"viewer": 7}
    assert later.of("8:1", {"viewer": 2}) == {"viewer": 2}
    assert Tallies.restored({"7:1": "no", "8:1": {"viewer": "many"}}).of("8:1", {"viewer": 1}) == {"viewer": 1}


def test_a_board_tells_of_each_process_once() -> None:
    board = Board(Tallies())
    first = Held("lobby:a", "lobby-1", 7, allocated={"in_use": 5, "unheard": 1}, finished={"viewer": 2}, quiet=True)
    new, gone = board.put([first])
    assert [(target.role, target.pid) for target in new] == [("lobby:a", 7)]
    assert gone == []
    assert new[0].told is not None
    told = new[0].told()
    assert dict(told.values) == {Measured(Resource.IN_USE): 5.0}
    assert (told.finished, told.quiet) == ({"viewer": 2}, True)
    assert board.put([first]) == ([], [])
    new, gone = board.put([replace(first, worker="lobby-2", pid=8)])
    assert [(target.role, target.pid) for target in new] == [("lobby:a", 8)]
    assert board.worker("lobby:a") == "lobby-2"
    assert board.put([]) == ([], ["lobby:a"])
    assert board.worker("lobby:a") is None


def test_loans_of_pools_and_what_waits_are_series_of_their_own() -> None:
    board = Board(Tallies())
    new, _ = board.put([Held("control plane", None, 5, pools={"encoders": 3}, queues={"removals": 2})])
    assert new[0].told is not None
    assert dict(new[0].told().values) == {
        Measured(Resource.POOL, "encoders"): 3.0, Measured(Resource.QUEUE, "removals"): 2.0,
    }  # fmt: skip


def weighed(before: int | None, after: int | None, retained: int = 0) -> Weighed:
    settled = {"before": {"in_use": before, "retained": 9}, "after": {"in_use": after, "retained": retained}}
    return Weighed(Measures(1.0, private_dirty=before), Measures(2.0, private_dirty=after), settled | {"trimmed": True})


@pytest.mark.parametrize(
    ("what", "confirmed"),
    [
        (weighed(20_000_000, 19_900_000), True),
        (weighed(20_000_000, 14_000_000), False),
        (weighed(20_000_000, 19_900_000, retained=9_000_000), False),
        (weighed(20_000_000, None), None),
        (Weighed(None, None, {}), None),
    ],
)
def test_a_probe_tells_what_is_lost_from_what_is_kept(what: Weighed, confirmed: bool | None) -> None:
    assert judge(FINDING, what, 1.0, 2.0).confirmed is confirmed


@pytest.mark.parametrize(("held", "confirmed"), [({"socket": 50}, True), ({"socket": 3}, False)])
def test_counts_are_looked_at_as_well(held: dict[str, int], confirmed: bool) -> None:
    finding = replace(FINDING, measured=Measured(Resource.DESCRIPTORS, "socket"), unit=Unit.COUNT, grown=40.0)
    seen = Weighed(Measures(1.0, descriptors={"socket": 50}), Measures(2.0, descriptors=held), {})
    assert judge(finding, seen, 1.0, 2.0).confirmed is confirmed
