"""What is around the processes: their control groups, the devices, the host. Each is an owner without a pid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from steadycast.model import Bound, Look, Measured, Owner, Resource
from steadycast.tracking import proc
from steadycast.tracking.probes import cgroup
from steadycast.tracking.probes.cgroup import Cgroups, Group
from steadycast.tracking.probes.devices import of_device
from steadycast.tracking.probes.followed import Followed, Moment
from steadycast.tracking.probes.pace import Steps
from steadycast.tracking.probes.reading import Reading

HOST = "host"
_STEP = 5.0  # of the steps of processes: what is around changes slowly


@dataclass(slots=True)
class Surroundings:
    """Of all that are followed."""

    steps: Steps
    root: Path
    cgroups: Cgroups
    _boot: str = field(init=False)
    _read: float = float("-inf")
    _devices_at: float = 0.0
    _limits: dict[str, tuple[Bound, ...]] = field(default_factory=dict)  # by the path of a group

    def __post_init__(self) -> None:
        self._boot = f"boot:{proc.boot_id() or 'unknown'}"

    def limits(self, group: Group | None) -> tuple[Bound, ...]:
        """What the group of a process limits, as of the last look at it: its memory counts as the process's own."""
        found = self._limits.get(group.path, ()) if group is not None else ()
        own = {Resource.CGROUP: Measured(Resource.PRIVATE)}
        return tuple(
            Bound(one.name, own.get(one.measured.resource, one.measured), one.limit, one.used) for one in found
        )

    def looks(self, followed: Iterable[Followed], moment: Moment) -> Iterator[tuple[Look, tuple[Bound, ...]]]:
        """At groups and the host every few steps, at devices when a driver told something new."""
        if moment.now - self._read >= self.steps.fast_s * _STEP:
            self._read = moment.now
            groups = {one.group.path: one.group for one in followed if one.group is not None}
            self._limits = {path: self._limits.get(path, ()) for path in groups}
            for path, group in groups.items():
                reading = Reading()
                bounds = self._limits[path] = cgroup.read(group, reading)
                yield _look(Owner(group.role, _epoch(group)), reading, moment), bounds
            reading = Reading()
            cgroup.pressure(self.root / "proc/pressure/memory", reading)
            yield _look(Owner(HOST, self._boot), reading, moment), moment.common
        if moment.devices.at > self._devices_at:
            self._devices_at = moment.devices.at
            for use in moment.devices.uses:
                reading = Reading()
                limits = of_device(use, reading)
                yield _look(Owner(f"device:{use.device}", self._boot), reading, moment), limits


def _look(owner: Owner, reading: Reading, moment: Moment) -> Look:
    return Look(owner, moment.at, moment.now, reading.values, reading.unknown)


def _epoch(group: Group) -> str:
    """A group that is made anew is another folder."""
    try:
        return f"cgroup:{(group.memory or group.top).stat().st_ino}"
    except OSError:
        return "cgroup:gone"
