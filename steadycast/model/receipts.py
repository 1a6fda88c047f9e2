"""What was measured after something lent came to its end, and why it came to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WorkerKind(StrEnum):
    """What a child process is for."""

    LOBBY = "lobby"
    EGRESS = "egress"
    DISPLAY = "display"


class RecycleCause(StrEnum):
    """Why something that works is replaced."""

    PERSON = "person"
    AGE = "age"
    USES = "uses"
    MEMORY = "memory"
    DESCRIPTORS = "descriptors"
    FINDING = "finding"
    RESIDUE = "residue"
    CONFIG = "config"


class Subject(StrEnum):
    """What a receipt is of."""

    WORKER = "worker"
    RENDITION = "rendition"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the end-of-life ladder that was taken: when (Unix seconds) and how long it took (seconds)."""

    name: str
    at: float
    took: float
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at from outside after a holder ended. `residue` names what stayed; empty means clean.

    `residue` is None where it could not be looked at, which is neither clean nor dirty.
    """

    name: str
    residue: tuple[str, ...] | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """What a worker's process held at one moment, measured from outside; None where it could not be measured.

    `descriptors` by kind and `threads` by name are counts; memory in bytes; `processes`: it and its descendants.
    `vram` and `encoder_sessions` are what the driver says of this pid; `objects` are live GStreamer objects by type
    (of a lobby worker, from its own tracer); `ports` are those its sockets are bound to (`udp:40000`).
    """

    at: float
    processes: int | None = None
    descriptors: dict[str, int] | None = None
    threads: dict[str, int] | None = None
    pss: int | None = None
    private_dirty: int | None = None
    vram: int | None = None
    encoder_sessions: int | None = None
    objects: dict[str, int] | None = None
    ports: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was measured after something that was lent ended. `clean` is True only if every check could be made and
    left nothing.

    `subject` says whether it is of a worker that ended, or of a rendition or viewer (`name`) in a worker that lives on;
    `worker`, `kind` and `pid` name the process in either case. `before` was measured when it was opened (of a worker:
    before it was ended), `after` when it was gone (of a worker that is gone: None). `evidence` names what was kept of a
    worker that was ended because it hung or stood still.
    """

    id: str
    worker: str
    kind: WorkerKind
    pid: int
    lobby: str | None
    cause: str
    started: float
    ended: float
    exit_code: int | None
    signal: int | None
    rungs: tuple[Rung, ...]
    checks: tuple[Check, ...]
    clean: bool
    subject: Subject = Subject.WORKER
    name: str | None = None
    before: Measures | None = None
    after: Measures | None = None
    evidence: str | None = None
