"""What guard writes down of the server and of what it did, so that the next guard adopts instead of starting a second
one. One JSON file, replaced in one step."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steadycast.errors import ConfigError
from steadycast.tracking import proc
from steadycast.tracking.families import Identity
from steadycast.watching.guard.facts import Memory
from steadycast.workers.codec import CodecError, from_plain, to_plain

FILE = "state.json"
ROOM = 16384  # bytes: the file has whole ones of these, so that it can be written over on a full disk
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Life:
    """One life of the server. `pid` is None between the decision to start it and its start: it is found by its mark.

    `since`: clock of its start; `at`: Unix seconds of it.
    """

    mark: str
    pid: int | None = None
    start_time: int | None = None
    since: float | None = None
    at: float | None = None

    @property
    def identity(self) -> Identity | None:
        return None if self.pid is None or self.start_time is None else Identity(self.pid, self.start_time)


@dataclass(frozen=True, slots=True)
class Record:
    """`boot` names the boot that all clocks and start times belong to; `guard` is the pid that wrote it."""

    target: str
    boot: str | None
    guard: int
    life: Life | None
    memory: Memory
    status: dict[str, Any]


def mark_family(name: str, target: str) -> str:
    """How the marks of all lives of one target begin."""
    return f"{name}-{hashlib.sha256(target.encode()).hexdigest()[:8]}-"


def clock() -> float:
    """Seconds of CLOCK_BOOTTIME: goes on while the machine is suspended, never jumps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def born(identity: Identity) -> float:
    """The clock at which a process was started."""
    return clock() - proc.age(identity.start_time)


def write(folder: Path, record: Record) -> None:
    """Replaces the file; where the disk is full, writes over the one that is there: that needs no room, and what was
    done must not be forgotten, else a guard that is started again and again restarts without end. Raises OSError."""
    path = folder / FILE
    partial = path.with_name(f"{FILE}.new")
    text = json.dumps(to_plain(record)).encode()
    text += b" " * (-len(text) % ROOM)
    try:
        _write_whole(partial, os.O_CREAT | os.O_TRUNC, text)
        partial.replace(path)
        _sync_folder(folder)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno not in FULL or not path.exists() or path.stat().st_size < len(text):
            raise
        _write_whole(path, 0, text + b" " * (path.stat().st_size - len(text)))


def _write_whole(path: Path, flags: int, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """So that the new name is there after a loss of power, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(folder: Path, target: str) -> Record | None:
    """None: there is none. After another boot only the latch and the pause count. Raises ConfigError where it is
    another target's, or cannot be read: it might hide a server that runs."""
    path = folder / FILE
    try:
        record = from_plain(Record, json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError("guard.state", f"{path}: {error.strerror or error}.") from None
    except (ValueError, CodecError) as error:
        what = f"{path} cannot be read as the state of guard: {error}."
        hint = "See that the server does not run, then remove the file."
        raise ConfigError("guard.state", what, hint=hint) from None
    if record.target != target:
        what = f"{path} belongs to {record.target}, not to {target}."
        hint = "Set another `name` or `state` in the policy; or remove the file once that server is stopped."
        raise ConfigError("guard.state", what, hint=hint)
    if record.boot != proc.boot_id():
        memory = Memory(latch=record.memory.latch, paused=record.memory.paused)
        return replace(record, life=None, memory=memory)
    return record
