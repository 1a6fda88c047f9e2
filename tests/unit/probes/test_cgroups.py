"""Control groups of version 1, 2 and both at once, from recorded files."""

from __future__ import annotations

from pathlib import Path

import pytest

from steadycast.model import Measured, Resource
from steadycast.tracking.probes.cgroup import Cgroups, events, read
from steadycast.tracking.probes.reading import Reading

MIB = 1 << 20


class Machine:
    """Mounts and groups below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mounts: list[str] = []
        (root / "proc/self").mkdir(parents=True)

    def mount(self, point: str, kind: str, options: str, inner: str = "/") -> None:
        (self.root / point).mkdir(parents=True, exist_ok=True)
        self.mounts.append(f"30 25 0:26 {inner} /{point} rw - {kind} {kind} rw,{options}".rstrip(","))
        (self.root / "proc/self/mountinfo").write_text("\n".join(self.mounts) + "\n")

    def process(self, pid: int, text: str) -> None:
        (self.root / f"proc/{pid}").mkdir(parents=True)
        (self.root / f"proc/{pid}/cgroup").write_text(text)

    def group(self, path: str, **files: str) -> None:
        folder = self.root / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text + "\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def unified(machine: Machine) -> None:
    machine.mount("sys/fs/cgroup", "cgroup2", "nsdelegate")
    machine.process(10, "0::/system.slice/wolf.service\n")
    machine.group("sys/fs/cgroup/system.slice", memory__max=str(900 * MIB), memory__current=str(850 * MIB))
    (machine.root / "sys/fs/cgroup/system.slice/memory.stat").write_text("inactive_file 0\n")
    machine.group(
        "sys/fs/cgroup/system.slice/wolf.service",
        memory__current=str(500 * MIB),
        memory__stat=f"anon 1\ninactive_file {100 * MIB}\n",
        memory__max=str(600 * MIB),
        memory__events="low 0\nhigh 2\nmax 3\noom 1\noom_kill 1",
        memory__pressure="some avg10=12.50 avg60=1.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 total=0",
        pids__max="512",
        pids__current="40",
        cgroup__procs="10\n11",
    )
    machine.group("sys/fs/cgroup/system.slice/wolf.service/inner", cgroup__procs="12")


def test_version_2(machine: Machine) -> None:
    unified(machine)
    cgroups, reading = Cgroups(machine.root), Reading()
    group = cgroups.of(10)
    assert group is not None
    bounds = {bound.name: bound for bound in read(group, reading)}
    assert group.role == "cgroup:/system.slice/wolf.service"
    assert reading.values == {Measured(Resource.CGROUP): 400 * MIB, Measured(Resource.PRESSURE): 0.125}
    nearest = bounds["memory.max"]
    assert (nearest.limit, nearest.used) == (900 * MIB, 850 * MIB), "the group above has less left"
    assert (bounds["pids.max"].limit, bounds["pids.max"].used) == (512, 40)
    assert events(group)["oom_kill"] == 1
    assert cgroups.pids(group) == frozenset({10, 11, 12})
    for name in ("wolf", "wolf.service"):
        unit = cgroups.unit(name)
        assert unit is not None
        assert unit.path == group.path
    for path in ("system.slice/wolf.service", str(machine.root / "sys/fs/cgroup/system.slice/wolf.service")):
        found = cgroups.at(path)
        assert found is not None
        assert found.path == group.path
    assert cgroups.unit("nothing") is None
    assert cgroups.at("/nowhere") is None


def test_version_1_beside_an_empty_version_2(machine: Machine) -> None:
    machine.mount("sys/fs/cgroup/memory", "cgroup", "memory")
    machine.mount("sys/fs/cgroup/pids", "cgroup", "pids")
    machine.mount("sys/fs/cgroup/unified", "cgroup2", "")
    machine.process(10, "4:memory:/docker/ab\n3:pids:/docker/ab\n0::/\n")
    machine.group(
        "sys/fs/cgroup/memory/docker/ab",
        memory__usage_in_bytes=str(300 * MIB),
        memory__stat=f"cache 1\ninactive_file 5\ntotal_inactive_file {50 * MIB}",
        memory__limit_in_bytes="9223372036854771712",
        memory__failcnt="4",
        cgroup__procs="10",
    )
    machine.group("sys/fs/cgroup/pids/docker/ab", pids__max="max", pids__current="9", cgroup__procs="10")
    cgroups, reading = Cgroups(machine.root), Reading()
    group = cgroups.of(10)
    assert group is not None
    assert read(group, reading) == (), "neither is limited"
    assert reading.values[Measured(Resource.CGROUP)] == 250 * MIB
    assert reading.unknown[Resource.PRESSURE] == "no memory.pressure here"
    assert events(group) == {"failcnt": 4}
    assert cgroups.pids(group) == frozenset({10})


def test_in_a_container_a_part_of_the_path_is_not_seen(machine: Machine) -> None:
    machine.mount("sys/fs/cgroup", "cgroup2", "", inner="/docker/ab")
    machine.process(10, "0::/docker/ab/inner\n")
    machine.group("sys/fs/cgroup/inner", memory__current="4096", memory__stat="anon 1", cgroup__procs="10")
    group = Cgroups(machine.root).of(10)
    assert group is not None
    assert group.memory == machine.root / "sys/fs/cgroup/inner"


def test_the_topmost_group_is_the_machine_and_none_is_none(machine: Machine) -> None:
    machine.mount("sys/fs/cgroup", "cgroup2", "")
    machine.process(10, "0::/\n")
    assert Cgroups(machine.root).of(10) is None
    assert Cgroups(machine.root).of(11) is None


def test_a_group_that_is_gone_has_a_reason(machine: Machine) -> None:
    unified(machine)
    group = Cgroups(machine.root).of(10)
    assert group is not None
    assert group.memory is not None
    for name in ("memory.current", "memory.pressure"):
        (group.memory / name).unlink()
    reading = Reading()
    read(group, reading)
    assert not reading.values
    assert set(reading.unknown) == {Resource.CGROUP, Resource.PRESSURE}
