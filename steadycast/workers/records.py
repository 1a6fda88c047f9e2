"""What a control plane writes down of each worker, so that the next one finds it: `<runtime>/workers/<id>.json`.

The record of a worker that ended goes to `<runtime>/ended` and stays there until its receipt is written: none is lost
where the control plane is killed meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from steadycast.model import WorkerKind
from steadycast.tracking import displays
from steadycast.workers.codec import CodecError, from_plain, to_plain

_ID = re.compile(rf"^({'|'.join(kind.value for kind in WorkerKind)})-[0-9a-f]{{8}}$")


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker's identity (pid and start time in ticks of this boot), the token its Hello must carry, and its lobby."""

    id: str
    kind: WorkerKind
    pid: int
    start_time: int
    boot: str | None
    token: str
    lobby: str | None
    started: float


@dataclass(frozen=True, slots=True)
class DisplayClaim:
    """Written by a display worker to `<id>.display`: the pid of its X server, and the number once that is known."""

    server: int
    number: int | None = None


def folder(runtime: Path) -> Path:
    return runtime / "workers"


def write(path: Path, value: WorkerRecord | DisplayClaim) -> None:
    """Replace a file in one step, readable for this user only. Raises OSError (a full disk, say)."""
    partial = path.with_name(path.name + ".new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(to_plain(value), file)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def read_all(runtime: Path) -> tuple[WorkerRecord, ...]:
    """All records in the folder; files that are none (cut off, of another version) are left out."""
    return _read(folder(runtime))


def keep_ended(runtime: Path) -> None:
    """From now on `retire` keeps records, for who calls `forget`. On a full disk it may go on keeping none."""
    with contextlib.suppress(OSError):
        _ended(runtime).mkdir(mode=0o700, exist_ok=True)


def retire(runtime: Path, worker: str) -> None:
    """A worker ended, and its receipt is not written down yet. Nothing where nobody keeps such records."""
    with contextlib.suppress(OSError):
        (folder(runtime) / f"{worker}.json").replace(_ended(runtime) / f"{worker}.json")


def forget(runtime: Path, worker: str) -> None:
    """The receipt of a worker that ended is written down."""
    with contextlib.suppress(OSError):
        (_ended(runtime) / f"{worker}.json").unlink()


def read_ended(runtime: Path) -> tuple[WorkerRecord, ...]:
    """Records of workers that ended and may have no receipt."""
    return _read(_ended(runtime))


def _ended(runtime: Path) -> Path:
    return runtime / "ended"


def _read(place: Path) -> tuple[WorkerRecord, ...]:
    found = []
    for path in sorted(place.glob("*.json")):
        with contextlib.suppress(OSError, ValueError, CodecError):
            found.append(from_plain(WorkerRecord, json.loads(path.read_text())))
    return tuple(found)


def claims(runtime: Path, worker: str, family: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Display numbers of a worker and pids of its X servers: by its claim, and by locks that name one of its family."""
    servers = set(family)
    numbers: set[int] = set()
    with contextlib.suppress(OSError, ValueError, CodecError):
        claim = from_plain(DisplayClaim, json.loads((folder(runtime) / f"{worker}.display").read_text()))
        servers.add(claim.server)
        if claim.number is not None:
            numbers.add(claim.number)
    numbers.update(displays.held_by(servers))
    return tuple(sorted(numbers)), tuple(sorted(servers))


def remove_files(runtime: Path, worker: str) -> None:
    """Remove all files of a worker; what cannot be removed shows in the receipt."""
    for path in folder(runtime).glob(f"{worker}.*"):
        with contextlib.suppress(OSError):
            path.unlink()


def stray_workers(runtime: Path) -> tuple[str, ...]:
    """Ids of workers that left files here but no record."""
    recorded = {record.id for record in read_all(runtime)}
    named = {path.name.partition(".")[0] for path in folder(runtime).glob("*.*")}
    return tuple(sorted(name for name in named - recorded if is_worker(name)))


def is_worker(name: str) -> bool:
    """Whether this is an id as workers have it."""
    return _ID.match(name) is not None
