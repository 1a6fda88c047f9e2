"""The sampler over recorded /proc-like trees: values, reasons, reads that hang, trees, roles, cycles."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from steadycast.model import Look, Measured, Resource
from steadycast.tracking.probes import round as round_module
from steadycast.tracking.probes.pace import Steps
from steadycast.tracking.probes.sampler import Sampled, Sampler
from steadycast.tracking.probes.targets import Target, Told
from tests.support.proc_tree import ProcTree, RecordedProcess, dmabuf

KIB = 1024


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    return ProcTree(tmp_path)


def look(sampled: Sampled, role: str) -> Look:
    found = [one.look for one in sampled.samples if one.look.owner.role == role]
    assert len(found) == 1, [one.look.owner.role for one in sampled.samples]
    return found[0]


def roles(sampled: Sampled) -> set[str]:
    return {one.look.owner.role for one in sampled.samples} - {"host"}


def test_what_one_process_holds(tree: ProcTree) -> None:
    tree.write(
        RecordedProcess(
            10,
            threads={10: "server", 11: "queue3:src", 12: "queue12:src"},
            descriptors={0: "/dev/null", 3: "socket:[1]", 4: "/dmabuf:", 5: "/dmabuf:", 6: "anon_inode:[eventfd]"},
            infos={4: dmabuf(7, 4096), 5: dmabuf(7, 4096)},
            dirty=500,
            swap=20,
        )
    )
    sampler = Sampler([Target("server", pid=10)], root=tree.root)
    sampled = sampler.sample(100.0)
    values = look(sampled, "server").values
    assert values[Measured(Resource.PRIVATE)] == 520 * KIB
    assert values[Measured(Resource.PSS)] == 1500 * KIB
    assert values[Measured(Resource.USS)] == 600 * KIB
    assert values[Measured(Resource.RSS)] == 20_000 * KIB
    assert values[Measured(Resource.DESCRIPTORS)] == 5
    assert values[Measured(Resource.DESCRIPTORS, "dmabuf")] == 2
    assert values[Measured(Resource.DESCRIPTORS, "eventfd")] == 1
    assert values[Measured(Resource.DMABUF)] == 4096, "a buffer with two descriptors is one buffer"
    assert values[Measured(Resource.THREADS, "queue#:src")] == 2
    assert look(sampled, "server").owner.epoch == "10:1000"
    bounds = {bound.name: bound for one in sampled.samples for bound in one.bounds}
    assert (bounds["RLIMIT_NOFILE"].limit, bounds["RLIMIT_NOFILE"].used) == (1024, 5)
    assert (bounds["RAM"].limit, bounds["RAM"].used) == (16_000_000 * KIB, 10_000_000 * KIB)
    sampler.stop()


def test_a_dmabuf_of_two_processes_counts_once_and_for_whoever_is_left(tree: ProcTree) -> None:
    held = {4: "/dmabuf:"}
    infos = {4: dmabuf(7, 4096)}
    tree.write(RecordedProcess(10, descriptors=held, infos=infos))
    tree.write(RecordedProcess(11, name="child", parent=10, started=1001, descriptors=held, infos=infos))
    sampler = Sampler([Target("server", pid=10)], root=tree.root)
    first = sampler.sample(100.0)
    sizes = [look(first, role).values[Measured(Resource.DMABUF)] for role in ("server", "server/child")]
    assert sizes == [4096, 0]
    tree.write(RecordedProcess(10, descriptors={}))
    sampler.sample(101.0)
    assert look(sampler.sample(102.0), "server/child").values[Measured(Resource.DMABUF)] == 4096
    sampler.stop()


def test_a_kind_that_is_gone_is_said_to_be_none_once(tree: ProcTree) -> None:
    tree.write(RecordedProcess(10, descriptors={3: "socket:[1]", 4: "/tmp/a"}))
    sampler = Sampler([Target("server", pid=10)], root=tree.root)
    sampler.sample(100.0)
    tree.write(RecordedProcess(10, descriptors={4: "/tmp/a"}))
    socket = Measured(Resource.DESCRIPTORS, "socket")
    assert look(sampler.sample(101.0), "server").values[socket] == 0
    tree.write(RecordedProcess(10, descriptors={4: "/tmp/a", 5: "/tmp/b"}))
    assert socket not in look(sampler.sample(102.0), "server").values
    sampler.stop()


def test_each_second_while_something_changes_and_each_minute_otherwise(tree: ProcTree) -> None:
    tree.write(RecordedProcess(10))
    sampler = Sampler([Target("server", pid=10)], root=tree.root)
    seen = [now for now in range(200) if "server" in roles(sampler.sample(float(now)))]
    assert seen[:10] == list(range(10))
    assert len([now for now in seen if now >= 20]) == 3
    tree.write(RecordedProcess(10, rss=30_000))
    assert "server" in roles(sampler.sample(201.0))
    assert look(sampler.sample(205.0), "server").values[Measured(Resource.RSS)] == 30_000 * KIB
    sampler.stop()


def test_a_read_that_hangs_stops_nobody_and_is_said(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_module, "DEADLINE_S", 0.3)
    tree.write(RecordedProcess(10, name="hangs"))
    tree.write(RecordedProcess(11, name="fine"))
    rollup = tree.folder(10) / "smaps_rollup"
    rollup.unlink()
    os.mkfifo(rollup)  # to open it for reading waits for a writer
    sampler = Sampler([Target("hangs", pid=10), Target("fine", pid=11)], root=tree.root)
    sampled = sampler.sample(100.0)
    assert "hangs in the kernel" in look(sampled, "hangs").unknown[Resource.PRIVATE]
    assert look(sampled, "hangs").values[Measured(Resource.DESCRIPTORS)] == 0, "what came before is told"
    assert look(sampled, "fine").values[Measured(Resource.PRIVATE)] == 8000 * KIB
    assert sampler.statistics().left_behind == 1
    hung = next(thread for thread in threading.enumerate() if thread.name == "reads /proc")  # the first that began
    again = sampler.sample(101.0)
    assert sampler.statistics().left_behind == 1, "it is not asked again while it hangs"
    assert "hangs in the kernel" in look(again, "hangs").unknown[Resource.PRIVATE]
    with rollup.open("w") as writer:
        rollup.unlink()
        writer.write("")
    hung.join(20.0)
    tree.write(RecordedProcess(10, name="hangs", rss=40_000))
    assert look(sampler.sample(110.0), "hangs").values[Measured(Resource.PRIVATE)] == 8000 * KIB
    assert sampler.statistics().left_behind == 0
    sampler.stop()


def test_a_pid_that_became_another_process_is_not_taken_for_it(tree: ProcTree) -> None:
    tree.write(RecordedProcess(10))
    sampler = Sampler([Target("server", pid=10)], root=tree.root)
    assert roles(sampler.sample(100.0)) == {"server"}
    tree.end(10)
    tree.write(RecordedProcess(10, started=2000))
    sampled = sampler.sample(101.0)
    if not sampled.missing:  # it is noticed at the first read that fails
        sampled = sampler.sample(102.0)
    assert not roles(sampled)
    assert sampled.missing == {"server": "process 10 ended; its pid is another process's now"}
    sampler.stop()


def test_nobody_is_there(tree: ProcTree) -> None:
    tree.write(RecordedProcess(10, inside=(7,)))
    tree.write(RecordedProcess(11, inside=(8,)))
    tree.write(RecordedProcess(12, inside=(8,)))
    (tree.root / "proc/self/mountinfo").write_text(
        f"21 28 0:20 / {tree.root}/proc rw - proc proc rw,hidepid=invisible\n"
    )
    targets = [
        Target("a", pid=99),
        Target("b", name="nobody"),
        Target("c", pid=8),
        Target("d", unit="x"),
        Target("e", pid=7),
    ]
    sampler = Sampler(targets, root=tree.root)
    sampled = sampler.sample(100.0)
    assert "hidepid=invisible" in sampled.missing["a"]
    assert sampled.missing["b"] == "no process is named nobody"
    assert "2 containers have one" in sampled.missing["c"]
    assert sampled.missing["d"] == "no unit x runs in a control group of its own here"
    assert look(sampled, "e").owner.pid == 10, "the only container's pid 7"
    sampler.stop()


def test_what_the_asker_knows_is_told_with_the_look(tree: ProcTree) -> None:
    tree.write(RecordedProcess(10))
    told = [Told(load={"viewers": 3}, finished={"viewer": 5}, quiet=False, values={Measured(Resource.IN_USE): 9.0})]
    sampler = Sampler([Target("server", pid=10, told=lambda: told[0])], root=tree.root)
    first = look(sampler.sample(100.0), "server")
    assert (first.load, first.finished, first.quiet) == ({"viewers": 3}, {"viewer": 5}, False)
    assert first.values[Measured(Resource.IN_USE)] == 9
    assert Measured(Resource.IN_USE) not in look(sampler.sample(101.0), "server").values, "nothing new was told"
    told[0] = Told(unknown={Resource.IN_USE: "busy"})
    assert look(sampler.sample(102.0), "server").unknown == {Resource.IN_USE: "busy"}
    sampler.stop()


def test_a_file_that_nobody_can_read_is_a_reason_and_no_end(tree: ProcTree) -> None:
    tree.write(RecordedProcess(10, descriptors={3: "/tmp/a"}))
    tree.write(RecordedProcess(11, name="fine"))
    sampler = Sampler([Target("odd", pid=10), Target("fine", pid=11)], root=tree.root)
    (tree.folder(10) / "smaps_rollup").unlink()
    sampled = sampler.sample(100.0)
    assert look(sampled, "odd").unknown[Resource.PRIVATE] == "no smaps_rollup here"
    assert look(sampled, "odd").values[Measured(Resource.DESCRIPTORS)] == 1
    (tree.folder(10) / "statm").write_text("much\n")
    odd = look(sampler.sample(101.0), "odd")
    assert not odd.values
    assert odd.unknown[Resource.RSS] == "stat has a shape that nobody knows"
    tree.write(RecordedProcess(11, name="fine", rss=50_000))
    assert look(sampler.sample(102.0), "fine").values[Measured(Resource.RSS)] == 50_000 * KIB
    sampler.stop()


def test_an_error_of_whoever_takes_a_round_does_not_end_the_sampler(tree: ProcTree) -> None:
    tree.write(RecordedProcess(10))
    sampler = Sampler([Target("server", pid=10)], steps=Steps(fast_s=0.01), root=tree.root)
    rounds, enough = [], threading.Event()

    def take(sampled: Sampled) -> None:
        rounds.append(sampled)
        if len(rounds) >= 3:
            enough.set()
        raise RuntimeError("a mistake")

    sampler.start(take)
    assert enough.wait(30.0)
    sampler.stop()


def test_what_came_and_went_by_a_log_is_a_reason_to_look(tree: ProcTree) -> None:
    tree.write(RecordedProcess(10))
    told = [Told()]
    sampler = Sampler([Target("server", pid=10, told=lambda: told[0])], root=tree.root)
    for second in range(20):
        sampler.sample(100.0 + second)
    assert "server" not in roles(sampler.sample(125.0)), "nothing changes"
    told[0] = Told(finished={"stream": 1}, quiet=False)
    assert look(sampler.sample(126.0), "server").finished == {"stream": 1}
    told[0] = Told(finished={"stream": 1}, quiet=True)
    at_rest = look(sampler.sample(128.0), "server")
    assert at_rest.quiet
    assert Measured(Resource.PRIVATE) in at_rest.values
    sampler.stop()
