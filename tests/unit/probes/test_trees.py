"""Who belongs to a target, in which role, what came and went: pure, over tables of processes."""

from __future__ import annotations

import pytest

from steadycast.tracking.families import Identity
from steadycast.tracking.probes.finder import is_named
from steadycast.tracking.probes.slots import PLACES, SHORT_S, Seat, Slots
from steadycast.tracking.probes.table import Table
from steadycast.tracking.probes.tree import STANDING_S, Tree
from steadycast.tracking.proc import parse_stat


class Machine:
    """A table that is written by hand."""

    def __init__(self) -> None:
        self.table = Table()
        self.commands: dict[int, str] = {}

    def start(self, pid: int, parent: int, name: str = "ffmpeg", started: int = 1, command: str = "") -> None:
        zeros = " ".join(["0"] * 13)
        found = parse_stat(f"{pid} ({name}) S {parent} 1 1 {zeros} 1 0 {started} 0")
        assert found is not None
        self.table.processes[pid] = found
        self.commands[pid] = command
        self._index()

    def end(self, pid: int) -> None:
        del self.table.processes[pid]
        self._index()

    def follow(self, tree: Tree, now: float, *heads: int) -> dict[int, Seat]:
        tree.follow(self.table, heads or {10}, now, self.commands)
        return {pid: tree.seat(member) for pid, member in tree.members.items()}

    def _index(self) -> None:
        self.table.children = {}
        for one in self.table.processes.values():
            self.table.children.setdefault(one.parent, []).append(one)


@pytest.fixture
def machine() -> Machine:
    machine = Machine()
    machine.start(10, 1, "server")
    return machine


def test_sessions_come_and_go(machine: Machine) -> None:
    tree = Tree("server", settle_s=3)
    machine.follow(tree, 0)
    assert (tree.living(), tree.cycles(), tree.is_quiet(0)) == (0, {}, True)
    for number in range(5):
        now = 10.0 * number
        machine.start(20 + number, 10, "sh", started=number)
        machine.start(40 + number, 20 + number, "ffmpeg", started=number)
        machine.follow(tree, now)
        assert tree.living() == 1, "what a session starts by itself is a part of it"
        assert not tree.is_quiet(now + 2.8)
        machine.end(40 + number)
        machine.end(20 + number)
        machine.follow(tree, now + 5)
        assert tree.cycles() == {"session": number + 1}
        assert tree.is_quiet(now + 8)


def test_under_a_worker_that_has_stood_for_long_each_child_is_a_session(machine: Machine) -> None:
    tree = Tree("server", settle_s=3)
    machine.follow(tree, 0)
    machine.start(11, 10, "worker")
    machine.follow(tree, 1)
    machine.start(12, 11, "early")
    machine.follow(tree, 2)
    machine.start(13, 11, "late")
    machine.follow(tree, 1 + STANDING_S)
    assert {pid for pid, member in tree.members.items() if member.counted} == {11, 13}


def test_several_kinds_are_counted_each_and_together(machine: Machine) -> None:
    tree = Tree("server", settle_s=3)
    machine.follow(tree, 0)
    for number, name in enumerate(["ffmpeg", "sh", "ffmpeg"]):
        machine.start(20 + number, 10, name)
        machine.follow(tree, 2.0 * number + 1)
        machine.end(20 + number)
        machine.follow(tree, 2.0 * number + 2)
    assert tree.cycles() == {"ffmpeg": 2, "sh": 1, "session": 3}


def test_a_process_in_place_of_one_that_ended_has_its_role(machine: Machine) -> None:
    tree = Tree("server", settle_s=3)
    machine.follow(tree, 0)
    machine.start(20, 10, command="ffmpeg front door")
    machine.start(21, 10, command="ffmpeg garden")
    assert [machine.follow(tree, 1)[pid].role for pid in (20, 21)] == ["server/ffmpeg", "server/ffmpeg#2"]
    machine.end(20)
    machine.end(21)
    machine.follow(tree, 500)
    machine.start(30, 10, started=9, command="ffmpeg garden")
    machine.start(31, 10, started=9, command="ffmpeg front door")
    seats = machine.follow(tree, 501)
    assert seats[30] == Seat("server/ffmpeg#2", False)
    assert seats[31] == Seat("server/ffmpeg", False)


def test_short_lives_and_many_are_summed_and_told_apart_again_when_they_stay() -> None:
    slots = Slots("server")
    for number in range(3):
        one = Identity(20 + number, 1)
        slots.enter(one, "ffmpeg", "", float(number))
        slots.leave(one, "ffmpeg", number + 0.5)
    last = Identity(30, 1)
    slots.enter(last, "ffmpeg", "", 10.0)
    assert slots.seat(last, "ffmpeg") == Seat("server/ffmpeg", True)
    other = Identity(31, 1)
    slots.enter(other, "ffmpeg", "", 10.0)
    slots.leave(other, "ffmpeg", 10.0 + 11 * SHORT_S)
    assert not slots.seat(last, "ffmpeg").summed
    many = [Identity(100 + number, 1) for number in range(PLACES + 1)]
    for one in many:
        slots.enter(one, "worker", "", 0.0)
    assert {slots.seat(one, "worker") for one in many} == {Seat("server/worker", True)}


def test_a_child_whose_parent_ended_still_belongs(machine: Machine) -> None:
    tree = Tree("server", settle_s=3)
    machine.start(11, 10, "shell")
    machine.start(12, 11, "daemon")
    machine.follow(tree, 0)
    machine.end(11)
    machine.start(12, 1, "daemon")  # init is its parent now
    assert set(machine.follow(tree, 1)) == {10, 12}


def test_a_server_that_is_started_again_goes_on_as_another_epoch(machine: Machine) -> None:
    tree = Tree("server", settle_s=3)
    machine.follow(tree, 0)
    machine.end(10)
    machine.start(99, 1, "server", started=7)
    assert machine.follow(tree, 1, 99) == {99: Seat("server", False)}
    machine.start(100, 1, "server", started=8)
    assert machine.follow(tree, 2, 99, 100)[100] == Seat("server#2", False)


def test_a_fork_has_its_parents_name_until_it_is_another_program(machine: Machine) -> None:
    tree = Tree("server", settle_s=3)
    machine.follow(tree, 0)
    machine.start(20, 10, "server")
    machine.follow(tree, 1)
    tree.renamed(tree.members[20], "ffmpeg", "ffmpeg -i x", 2)
    assert tree.seat(tree.members[20]) == Seat("server/ffmpeg", False)


@pytest.mark.parametrize(
    ("wanted", "name", "command", "expected"),
    [
        ("wolf", "wolf", "/usr/bin/wolf --x", True),
        ("server.py", "python3", "/usr/bin/python3 -u /srv/server.py", True),
        ("a-name-that-is-longer", "a-name-that-is-", "/opt/a-name-that-is-longer", True),
        ("a-name-that-is-longer", "a-name-that-is-", "/opt/a-name-that-is-another", False),
        ("server.py", "vim", "vim server.py", False),
        ("kworker", "kworker", "", True),
        ("", "", "", False),
    ],
)
def test_names(wanted: str, name: str, command: str, expected: bool) -> None:
    assert is_named(wanted, name, command) is expected
