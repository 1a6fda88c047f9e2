"""Which process a pid file or a command names: checked against the program's name, never guessed."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from steadycast.tracking import proc
from steadycast.tracking.families import Identity
from steadycast.watching.common.running import Ran

_NUMBER = re.compile(r"\s*(\d{1,9})\b")


@dataclass(frozen=True, slots=True)
class Named:
    """A living process that has the right name; None: nothing runs there now."""

    identity: Identity | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Unclear:
    """It cannot be told. `pid`: what was named, where it was a number."""

    why: str
    pid: int | None = None


def pid_from_file(path: Path, program: str | None) -> Named | Unclear:
    """Read a pid file: missing means that nothing runs; anything odd is unclear."""
    try:
        with path.open("rb") as file:
            text = file.read(64).decode(errors="replace")
    except FileNotFoundError:
        return Named(None, f"{path} is not there")
    except OSError as error:
        return Unclear(f"{path}: {error.strerror or error}")
    return _named(text, str(path), program)


def pid_from_command(ran: Ran, command: str, program: str | None) -> Named | Unclear:
    """What a command printed: 0 or nothing on success means that nothing runs."""
    if not ran.ok:
        return Unclear(f"{command}: {ran.words()}")
    if not ran.output.strip() or ran.output.strip() == "0":
        return Named(None, f"{command} names no process")
    return _named(ran.output, command, program)


def _named(text: str, source: str, program: str | None) -> Named | Unclear:
    found = _NUMBER.match(text)
    if found is None or text[found.end() :].strip():
        return Unclear(f"{source} holds no pid")
    pid = int(found[1])
    one = proc.stat(pid)
    if one is None or one.state == "Z":
        return Named(None, f"{source} names process {pid}, which is gone")
    if (why := is_forbidden(pid)) is not None:
        return Unclear(f"{source} names process {pid}: {why}", pid)
    if program is not None and program not in (names := _names(pid, one.name)):
        known = " or ".join(repr(name) for name in sorted(names))
        return Unclear(f"{source} names process {pid}, which is {known} and not {program!r}: it is left alone", pid)
    return Named(Identity(pid, one.start_time))


def _names(pid: int, comm: str) -> set[str]:
    """What a process may be called: its file, its first words (a script is its interpreter's), its own short name."""
    names = {comm}
    folder = proc.PROC / str(pid)
    with contextlib.suppress(OSError):  # not ours to read: its own name is left
        names.add((folder / "exe").readlink().name.removesuffix(" (deleted)"))
        words = (folder / "cmdline").read_bytes()[:4096].split(b"\0")[:2]
        names |= {Path(word.decode(errors="replace")).name for word in words if word}
    return names


def is_forbidden(pid: int) -> str | None:
    """Why a process is never guarded: the first one, guard itself and what guard descends from, kernel threads."""
    if pid <= 1:
        return "it is the first process of the system"
    at: int | None = os.getpid()
    for _ in range(64):
        if at is None or at <= 1:
            break
        if at == pid:
            return "guard itself descends from it"
        one = proc.stat(at)
        at = one.parent if one is not None else None
    one = proc.stat(pid)
    return "it is a thread of the kernel" if one is not None and (one.parent == 2 or pid == 2) else None
