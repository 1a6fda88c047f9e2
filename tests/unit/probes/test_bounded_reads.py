"""Reads that are bounded: a million descriptors, very many threads, tasks that never come back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from steadycast.model import Measured, Resource
from steadycast.tracking.probes import aside as aside_module
from steadycast.tracking.probes import descriptors as descriptors_module
from steadycast.tracking.probes.aside import Aside
from steadycast.tracking.probes.descriptors import Descriptors, Shares
from steadycast.tracking.probes.limits import open_files, ram
from steadycast.tracking.probes.pace import Pace, Steps
from steadycast.tracking.probes.process import Peek, Process
from steadycast.tracking.probes.reading import Reading
from steadycast.tracking.probes.threads import NAMED, Threads
from tests.support.proc_tree import ProcTree, RecordedProcess


@pytest.fixture
def process(tmp_path: Path) -> Process:
    tree = ProcTree(tmp_path)
    tree.write(RecordedProcess(10, descriptors={number: f"socket:[{number}]" for number in range(40)}))
    return Process(10, tmp_path)


def test_a_million_descriptors_are_a_number(process: Process) -> None:
    reading = Reading()
    Descriptors(process, Shares()).read(1_000_000, 1, 100.0, reading)
    assert reading.values == {Measured(Resource.DESCRIPTORS): 1_000_000}
    assert "not told apart" in reading.unknown[Resource.DMABUF]


def test_where_the_kernel_tells_no_number_a_listing_stops(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors_module, "MOST", 25)
    reading = Reading()
    Descriptors(process, Shares()).read(None, 1, 100.0, reading)
    assert not reading.values
    assert reading.unknown[Resource.DESCRIPTORS] == "more than 25 descriptors: they are not counted further"


def test_listings_that_are_dear_are_spaced_and_the_number_is_told_meanwhile(process: Process) -> None:
    descriptors, whole, meanwhile = Descriptors(process, Shares()), Reading(), Reading()
    descriptors.read(40, 100_000, 100.0, whole)
    assert whole.values[Measured(Resource.DESCRIPTORS, "socket")] == 40
    descriptors.read(41, 100_000, 100.001, meanwhile)
    assert meanwhile.values == {Measured(Resource.DESCRIPTORS): 41}
    whole.renew(meanwhile)
    assert whole.values[Measured(Resource.DESCRIPTORS, "socket")] == 40, "a part that was not read is not none"


def test_very_many_threads_are_a_number(process: Process) -> None:
    reading = Reading()
    Threads(process).read(NAMED + 1, 100.0, reading)
    assert reading.values == {Measured(Resource.THREADS): NAMED + 1}


def test_a_task_that_hangs_is_left_behind_and_the_rest_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside_module, "LEFT_BEHIND", 2)
    gate, done = threading.Event(), []
    aside = Aside("reads")
    try:
        tasks: list[Callable[[], object]] = [lambda: done.append(0), gate.wait, lambda: done.append(2)]
        assert aside.run(tasks, 0.4) == (1,)
        assert done == [0, 2]
        assert aside.run(tasks, 0.4) == (1, 2), "two hang: nothing is begun any more"
        assert aside.run(tasks, 0.4) == (0, 1, 2)
        assert aside.left_behind == 2
    finally:
        gate.set()
        aside.close()


def test_an_error_of_a_task_is_raised() -> None:
    aside = Aside("reads")
    with pytest.raises(ZeroDivisionError):
        aside.run([lambda: 1 // 0], 20.0)
    assert aside.run([lambda: None], 20.0) == ()
    aside.close()


def test_walks_over_page_tables_get_a_share_of_a_core() -> None:
    pace = Pace(Steps())
    walks = []
    for second in range(60):
        peek = Peek("server", "S", 1, 4, (100 + second) << 20, 0, 10)
        if pace.due(peek, (0, 0), float(second), 100, settled=False).memory:
            walks.append(second)
            pace.took(0.001)
    assert walks == [0, 20, 40], "100 processes, 1 ms each, half a percent of a core"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Max open files            1024                 4096                 files\n", 1024),
        ("Max open files            unlimited            unlimited            files\n", None),
        ("", None),
    ],
)
def test_the_limit_of_descriptors(text: str, expected: int | None) -> None:
    assert open_files(text) == expected


def test_the_memory_of_a_machine_that_does_not_tell() -> None:
    assert ram({}) is None
    assert ram({"MemTotal": 1}) is None
