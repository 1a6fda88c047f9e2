"""What a person wants watched, as targets; and what to say where it cannot be."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePath

from steadycast.errors import ConfigError
from steadycast.model import Look, Resource
from steadycast.tracking import proc
from steadycast.tracking.probes.finder import INTERPRETERS
from steadycast.tracking.probes.round import command_of
from steadycast.tracking.probes.targets import Target, Told

_SPAN = re.compile(r"^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d|)$")
_SPANS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
LONGEST_S = 366 * 86_400.0
PIDS = 256


@dataclass(frozen=True, slots=True)
class Aim:
    """One kind of these only; `cgroup` may go with one pid, which then is a pid inside of it."""

    pids: tuple[int, ...] = ()
    name: str | None = None
    cgroup: str | None = None
    unit: str | None = None
    command: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """`pid`, `name`, `cgroup`, `unit`, `command`."""
        if self.command:
            return "command"
        if self.pids and self.cgroup is None:
            return "pid"
        return "unit" if self.unit else "cgroup" if self.cgroup else "name"

    @property
    def means_groups(self) -> bool:
        """Whether a control group is meant with all that is in it; else others may share it."""
        return self.kind in ("cgroup", "unit")

    @property
    def may_come_again(self) -> bool:
        """Whether another process may be meant later."""
        return self.kind in ("name", "cgroup", "unit")


def check_aim(aim: Aim) -> Aim:
    """Raises ConfigError where it is not exactly one thing."""
    given = [bool(aim.command), aim.name is not None, aim.unit is not None, bool(aim.pids or aim.cgroup)]
    if sum(given) != 1:
        what = "Nothing is named to be watched." if not any(given) else "More than one thing is named to be watched."
        hint = "Name one: --pid N (again for more), --name X, --cgroup PATH, --unit U, or -- COMMAND ..."
        raise ConfigError("watch.what", what, hint=hint)
    if aim.cgroup is not None and len(aim.pids) > 1:
        raise ConfigError("watch.what", "With --cgroup only one --pid can be named: the pid inside of it.")
    for pid in aim.pids:
        if pid < 1 or pid == os.getpid():
            why = "is this command itself" if pid == os.getpid() else "is no process"
            raise ConfigError("watch.pid", f"--pid {pid} {why}.")
    if len(aim.pids) > PIDS:
        raise ConfigError("watch.pid", f"At most {PIDS} pids can be named.", hint="Name their cgroup or unit.")
    return aim


def seconds_of(words: str, option: str) -> float:
    """`90s`, `15m`, `2h`, `3d`, `45`. Raises ConfigError."""
    found = _SPAN.match(words.strip().lower())
    seconds = float(found[1]) * _SPANS[found[2]] if found else 0.0
    if not 0 < seconds <= LONGEST_S:
        hint = "Write 90s, 15m, 2h or 3d."
        raise ConfigError("watch.time", f"{option}: {words!r} is no time of more than nothing.", hint=hint)
    return seconds


def targets_of(aim: Aim, told: Callable[[], Told] | None, command_pid: int | None = None) -> tuple[Target, ...]:
    """Whom the sampler is to follow."""
    if command_pid is not None:
        return (Target(_program(aim.command), pid=command_pid, told=told),)
    if aim.kind == "pid":
        names = {pid: _name(pid) for pid in dict.fromkeys(aim.pids)}
        twice = {name for name, count in Counter(names.values()).items() if count > 1}
        return tuple(
            Target(f"{name}:{pid}" if name in twice else name, pid=pid, told=told) for pid, name in names.items()
        )
    pid = aim.pids[0] if aim.pids else None
    named = aim.unit or (PurePath(aim.cgroup).name if aim.cgroup else aim.name) or "server"
    one = Target(named, pid=pid, cgroup=aim.cgroup, unit=aim.unit, told=told)
    return (one if aim.kind != "name" else replace(one, name=aim.name),)


def _program(command: tuple[str, ...]) -> str:
    """The file of a program, or of the script that it runs."""
    first = PurePath(command[0]).name
    if first.rstrip("0123456789.") not in INTERPRETERS:
        return first
    for number, word in enumerate(command[1:], 1):
        if word == "-m" and number + 1 < len(command):
            return command[number + 1]
        if word in ("-c", "-e"):
            return first
        if not word.startswith("-"):
            return PurePath(word).name
    return first


def _name(pid: int) -> str:
    found = proc.stat(pid)
    words = tuple(command_of(proc.PROC / str(pid) / "cmdline").split())
    if words and PurePath(words[0]).name.rstrip("0123456789.") in INTERPRETERS:
        return _program(words)
    return found.name if found is not None else f"process {pid}"


def refuse_missing(aim: Aim, missing: dict[str, str]) -> None:
    """Nobody is there at the beginning. Raises ConfigError that says what to do."""
    if not missing or (aim.kind == "pid" and len(missing) < len(aim.pids)):
        return
    hints = {
        "pid": "`ps -e` lists those there are. The pid of a process in a container needs its --cgroup, too.",
        "name": "The name is that of the program or script, as `ps -e` shows it. Or start it by watch: -- COMMAND ...",
        "cgroup": "Paths are those below /sys/fs/cgroup; `systemd-cgls` shows them.",
        "unit": "`systemctl list-units` shows those there are. It has to run already.",
    }
    why = "; ".join(dict.fromkeys(missing.values()))
    raise ConfigError("watch.missing", f"{why[:1].upper()}{why[1:]}.", hint=hints.get(aim.kind))


def is_group(role: str) -> bool:
    """Whether it is a control group as a whole."""
    return role.startswith("cgroup:")


_NEEDED = {Resource.PRIVATE: "memory", Resource.DESCRIPTORS: "descriptors"}


def not_readable(look: Look) -> str | None:
    """What of somebody else's process cannot be seen, and what to do; None: all that matters is."""
    lacking = [one for one in _NEEDED if one in look.unknown]
    if not lacking or look.owner.pid is None:
        return None
    words = " and ".join(_NEEDED[one] for one in lacking)
    hint = "run watch as that user or as root" if os.geteuid() else "root may not read it here, either"
    return (
        f"{look.owner.role} (process {look.owner.pid}): its {words} cannot be told; {hint}. "
        "What else can be seen of it is judged."
    )
