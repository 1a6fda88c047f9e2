"""Control groups, version 1, 2 and both at once (Linux: admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst).

Cost on a slow core: 95 us for memory, limits and pressure of one group.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steadycast.model import Bound, Measured, Resource
from steadycast.tracking.probes.reading import Reading, reason

NO_LIMIT = 1 << 60  # version 1 writes a huge number where there is no limit
_DEEP = 32  # ancestors
FOLDERS = 8192  # that are searched for a unit, or for processes


@dataclass(frozen=True, slots=True)
class _Names:
    """How a version calls its files."""

    memory: str
    limit: str
    cache: str  # of memory.stat


_V1 = _Names("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file")
_V2 = _Names("memory.current", "memory.max", "inactive_file")


@dataclass(frozen=True, slots=True)
class _Mount:
    """A hierarchy: `root` is the group that is seen at `point`. `controllers` empty: version 2."""

    point: Path
    root: str
    controllers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Group:
    """One control group: its `path` for people, and its folders in the hierarchies that count memory and processes."""

    path: str
    memory: Path | None
    pids: Path | None
    top: Path  # where its hierarchy is mounted

    @property
    def role(self) -> str:
        return f"cgroup:{self.path}"


class Cgroups:
    """The hierarchies that are mounted, below `root`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._mounts = tuple(_mounts(root))

    def of(self, pid: int) -> Group | None:
        """The group that counts the memory of a process; None where there is none, and for the topmost: it is all of
        the machine."""
        try:
            lines = (self._root / "proc" / str(pid) / "cgroup").read_text(errors="replace").splitlines()
        except OSError:
            return None
        paths: dict[str, str] = {}
        for line in lines:
            _, _, rest = line.partition(":")
            names, _, path = rest.partition(":")
            for name in names.split(","):
                paths[name] = path
        return self._group(paths)

    def at(self, path: str) -> Group | None:
        """By its path below a mount, or by its folder."""
        for mount in self._mounts:
            place = Path(path)
            if place.is_relative_to(mount.point):
                path = "/" + str(place.relative_to(mount.point)).strip(".")
        path = "/" + path.strip("/")
        names = {name for mount in self._mounts for name in (mount.controllers or {""})}
        group = self._group({name: path for name in names if self._folder(name, path) is not None})
        return group if group is not None and self.pids(group) is not None else None

    def unit(self, name: str) -> Group | None:
        """A unit of systemd, also of a user's."""
        wanted = name if "." in name else f"{name}.service"
        for mount in self._mounts:
            if mount.controllers and "name=systemd" not in mount.controllers:
                continue
            for folder in _below(mount.point):
                if folder.name == wanted:
                    return self.at("/" + str(folder.relative_to(mount.point)))
        return None

    def pids(self, group: Group) -> frozenset[int] | None:
        """Of all processes in the group and the groups below; None where it is gone."""
        found: set[int] = set()
        place = group.pids or group.memory
        folders = {mount.point / group.path.strip("/") for mount in self._mounts} | ({place} if place else set())
        is_there = False
        for top in sorted(folders):
            for folder in (top, *_below(top)):
                try:
                    found.update(map(int, (folder / "cgroup.procs").read_text().split()))
                    is_there = True
                except (OSError, ValueError):
                    continue
        return frozenset(found - {0}) if is_there else None

    def _group(self, paths: dict[str, str]) -> Group | None:
        memory = self._folder("memory", paths.get("memory", "")) if "memory" in paths else None
        name = "memory" if memory is not None else ""
        if memory is None and "" in paths:
            memory = self._folder("", paths[""])
        path = paths.get(name, "/")
        if path in ("", "/") or memory is None:
            return None
        pids = self._folder("pids", paths["pids"]) if paths.get("pids", "/") != "/" else None
        if pids is None and paths.get("", "/") != "/":
            pids = self._folder("", paths[""])
        mount = next(one for one in self._mounts if memory.is_relative_to(one.point))
        return Group(path, memory, pids, mount.point)

    def _folder(self, controller: str, path: str) -> Path | None:
        for mount in self._mounts:
            if (controller in mount.controllers) if controller else not mount.controllers:
                inner = path
                if mount.root != "/":  # in a container a part of the path is not seen
                    inner = path[len(mount.root) :] if path.startswith(mount.root) else path
                folder = mount.point / inner.strip("/")
                return folder if folder.is_dir() else None
        return None


def read(group: Group, reading: Reading) -> tuple[Bound, ...]:
    """Memory without the page cache that can be dropped, pressure, and the limits of the group and of those above."""
    assert group.memory is not None
    names = _V2 if (group.memory / _V2.memory).exists() else _V1
    bounds: list[Bound] = []
    try:
        reading.put(Resource.CGROUP, float(_used(group.memory, names)))
    except (OSError, ValueError) as error:
        why = reason(error, names.memory) if isinstance(error, OSError) else f"{names.memory} is no number"
        reading.miss(why, Resource.CGROUP)
    limits = [one for folder in _upwards(group.memory, group.top) if (one := _limit(folder, names)) is not None]
    if limits:
        limit, used = min(limits, key=lambda one: one[0] - one[1])
        bounds.append(Bound(names.limit, Measured(Resource.CGROUP), limit, used))
    if group.pids is not None:
        most, now = _number(group.pids / "pids.max"), _number(group.pids / "pids.current")
        if most is not None and now is not None:
            bounds.append(Bound("pids.max", Measured(Resource.THREADS), most, now))
    pressure(group.memory / "memory.pressure", reading)
    return tuple(bounds)


def events(group: Group) -> dict[str, int]:
    """What happened to it so far: `oom_kill`, `max`, `high` (version 2), `oom_kill`, `failcnt` (version 1)."""
    found: dict[str, int] = {}
    for name in ("memory.events", "memory.oom_control"):
        try:
            words = [line.split() for line in ((group.memory or Path()) / name).read_text().splitlines()]
        except OSError:
            continue
        found.update({row[0]: int(row[1]) for row in words if len(row) == 2 and row[1].isdecimal()})
    failed = _number((group.memory or Path()) / "memory.failcnt")
    return found if failed is None else {**found, "failcnt": failed}


def pressure(path: Path, reading: Reading) -> None:
    """PSI: the share of the last 10 s in which something waited for memory (Linux: accounting/psi.rst)."""
    try:
        words = path.read_text().split()
        average = next(word for word in words if word.startswith("avg10="))
        reading.put(Resource.PRESSURE, float(average[6:]) / 100)
    except (OSError, StopIteration, ValueError) as error:
        why = reason(error, path.name) if isinstance(error, OSError) else f"{path.name} has no avg10"
        reading.miss(why, Resource.PRESSURE)


def _used(folder: Path, names: _Names) -> int:
    total = int((folder / names.memory).read_text())
    for line in (folder / "memory.stat").read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == names.cache:
            return max(0, total - int(value))
    return total


def _limit(folder: Path, names: _Names) -> tuple[int, int] | None:
    most = _number(folder / names.limit)
    if most is None or most >= NO_LIMIT:
        return None
    try:
        return most, _used(folder, names)
    except (OSError, ValueError):
        return None


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None  # "max" is no limit


def _upwards(folder: Path, top: Path) -> Iterator[Path]:
    for _ in range(_DEEP):
        yield folder
        if folder == top:
            return
        folder = folder.parent


def _below(top: Path) -> Iterator[Path]:
    """All folders below, the upper ones first."""
    waiting = [top]
    for _ in range(FOLDERS):
        if not waiting:
            return
        try:
            with os.scandir(waiting.pop(0)) as entries:
                found = sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            continue
        yield from found
        waiting += found


def _mounts(root: Path) -> Iterator[_Mount]:
    """From /proc/self/mountinfo (proc(5)): field 4 is the root, 5 the point; after the dash: type, source, options."""
    try:
        lines = (root / "proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        left, _, right = line.partition(" - ")
        fields, options = left.split(), right.split()
        if len(fields) < 5 or len(options) < 3 or options[0] not in ("cgroup", "cgroup2"):
            continue
        controllers = frozenset(options[-1].split(",")) - {"rw", "ro"} if options[0] == "cgroup" else frozenset()
        yield _Mount(root / fields[4].lstrip("/"), fields[3], controllers)
