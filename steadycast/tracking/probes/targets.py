"""Whom to watch: a process, all of a name, a cgroup, a systemd unit; and what the asker knows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from steadycast.model import About, Measured, Resource


@dataclass(frozen=True, slots=True)
class Told:
    """What only the asker knows of a target now: its load, what came and went, values from inside of it.

    Names that it tells win over those that the tree of processes shows. `quiet` None: the tree decides.
    """

    load: Mapping[str, float] = field(default_factory=dict)
    finished: Mapping[str, int] = field(default_factory=dict)
    quiet: bool | None = None
    values: Mapping[Measured, float] = field(default_factory=dict)
    unknown: Mapping[Resource, str] = field(default_factory=dict)
    about: About | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One of `pid`, `name` (of the command or its file), `cgroup` (a path below the mount, or of a folder) and `unit`.

    With a pid and a cgroup it is the process that has this pid inside of that cgroup: a container's pid. `tree`: its
    descendants are followed too. `told` is called by the sampler's thread and must not block.
    """

    role: str
    pid: int | None = None
    name: str | None = None
    cgroup: str | None = None
    unit: str | None = None
    tree: bool = True
    about: About = field(default_factory=About)
    told: Callable[[], Told] | None = None
