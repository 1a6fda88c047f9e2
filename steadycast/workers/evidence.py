"""What a worker that hangs is asked and looked at before it is killed, kept as one file a case.

From inside: the Python stacks of its threads, and of a lobby worker the graph of its pipeline, by signals that are
answered while its event loop hangs. From outside: its last log lines and what /proc tells. All of it within one
deadline, whatever hangs; what could not be had is said. The environment is never kept, and addresses are masked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from steadycast.model import Rung, WorkerKind
from steadycast.tracking.facts import ProcessFacts
from steadycast.workers import records
from steadycast.workers.codec import to_plain
from steadycast.workers.inquiry import LOG_BYTES, Inquiry, Part, beside
from steadycast.workers.process import Process
from steadycast.workers.records import WorkerRecord

if TYPE_CHECKING:
    from steadycast.workers.ladder import Ladder

log = structlog.get_logger("evidence")

RUNG = "evidence"  # of the ladder
ANSWERS_S = 1.1  # for what is asked and looked at
WRITE_S = 0.4  # for the file; together the hard deadline of a case
CASE_BYTES = 262_144
STACKS_BYTES, GRAPH_BYTES, STATISTICS_BYTES = 65_536, 131_072, 16_384
CUT = "\n[... cut: too long]"
_NAME = re.compile(r"^[a-z]{1,16}-[0-9a-f]{8}$")


class Hang(Enum):
    """That a worker is ended because something in it hangs, said by whoever ends it: it is asked what before.

    `DEAF`: it may hear nothing any more, so it is not told to end but signalled at once. `PART`: only a part of it
    hangs (a call of a driver, a pipeline, an order), and it is told to end like any other.
    """

    DEAF = auto()
    PART = auto()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One case. `at` is Unix seconds; `statistics` came with the last heartbeat; `process` was seen from outside."""

    id: str
    kind: WorkerKind
    pid: int
    lobby: str | None
    cause: str
    at: float
    took_s: float
    stacks: Part
    graph: Part
    log: Part
    process: ProcessFacts
    statistics: dict[str, Any] | None


class EvidenceFolder:
    """Where cases are kept: `most` of them, the oldest go. `mask` takes credentials out of a text."""

    def __init__(self, path: Path, most: int, mask: Callable[[str], str]) -> None:
        self._path = path
        self._most = most
        self._mask = mask

    async def keep(
        self, runtime: Path, record: WorkerRecord, process: Process, cause: str, statistics: dict[str, Any]
    ) -> tuple[str | None, Rung]:
        """Ask and look, and write it down: the name of the case (None where it could not be written), and the rung.

        Never raises for what the worker or the disk does, and takes at most `ANSWERS_S` and `WRITE_S`.
        """
        began, at = time.monotonic(), time.time()
        if not self._most:
            return None, Rung(RUNG, at, 0.0, "none is kept: `workers.evidence` is 0")
        inquiry = Inquiry(records.folder(runtime), record, process)
        await inquiry.run(ANSWERS_S)
        case = Evidence(
            id=record.id,
            kind=record.kind,
            pid=record.pid,
            lobby=record.lobby,
            cause=cause,
            at=at,
            took_s=time.monotonic() - began,
            stacks=self._masked(inquiry.stacks, STACKS_BYTES),
            graph=self._masked(inquiry.graph, GRAPH_BYTES),
            log=self._masked(inquiry.log, LOG_BYTES),
            process=self._masked_facts(inquiry.facts),
            statistics=statistics if len(json.dumps(statistics)) <= STATISTICS_BYTES else None,
        )
        failed = await self._written(case)
        note = failed or "; ".join(f"no {name}: {part.why}" for name, part in _missing(case)) or None
        return None if failed else case.id, Rung(RUNG, at, time.monotonic() - began, note)

    def sweep(self) -> None:
        """Remove what a host that died had only begun to write; before anything is kept. Blocking."""
        for path in self._path.glob("*.new"):
            with contextlib.suppress(OSError):
                path.unlink()

    def read(self, name: str) -> dict[str, Any] | None:
        """A case as it was kept; None where there is none (any more). Blocking: a read of one file."""
        if not _NAME.match(name):
            return None
        try:
            found = json.loads((self._path / f"{name}.json").read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _masked(self, part: Part, most: int) -> Part:
        return part if part.text is None else replace(part, text=cut(self._mask(part.text), most))

    def _masked_facts(self, found: ProcessFacts) -> ProcessFacts:
        return found if found.command is None else replace(found, command=self._mask(found.command))

    async def _written(self, case: Evidence) -> str | None:
        """None once it is; else why it is not."""
        done = beside(lambda: self._write(case.id, within(case)))
        await asyncio.wait({done}, timeout=WRITE_S)
        if not done.done():
            return f"it was not written within {WRITE_S:g} s"
        error = done.exception()
        if error is not None:
            log.warning("evidence not kept", worker=case.id, why=str(error))
        return f"it could not be written: {error}" if error is not None else None

    def _write(self, name: str, text: str) -> None:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self._path / f"{name}.new"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
            partial.replace(self._path / f"{name}.json")
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        kept = sorted(self._path.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in kept[: -self._most]:
            path.unlink(missing_ok=True)


async def before_kill(
    folder: EvidenceFolder | None, ladder: Ladder, cause: str, hang: Hang | None, statistics: dict[str, Any]
) -> str | None:
    """Keep evidence of a worker that hangs, as a rung of its ladder: the name of the case."""
    process = ladder.process
    if hang is None or folder is None or process is None or process.exited.done():
        return None
    name, rung = await folder.keep(ladder.runtime, ladder.record, process, cause, statistics)
    ladder.rungs.append(rung)
    return name


def cut(text: str, most: int) -> str:
    """At most so many bytes, with a mark where something is missing."""
    data = text.encode(errors="replace")
    return text if len(data) <= most else data[: max(0, most - len(CUT))].decode(errors="ignore") + CUT


def within(case: Evidence, most: int = CASE_BYTES) -> str:
    """The case as JSON of at most so many bytes: its longest texts are cut until it fits."""
    while True:
        text = json.dumps(to_plain(case), indent=1)
        if len(text) <= most:
            return text
        parts = {name: getattr(case, name).text or "" for name in ("stacks", "graph", "log")}
        longest = max(parts, key=lambda name: len(parts[name]))
        if len(parts[longest]) <= 2 * len(CUT):
            case = replace(case, statistics=None, process=ProcessFacts(case.pid, case.process.state))
            most = max(most, 16_384)
            continue
        part = getattr(case, longest)
        case = replace(case, **{longest: replace(part, text=cut(part.text, len(part.text.encode()) // 2))})


def _missing(case: Evidence) -> list[tuple[str, Part]]:
    named = [("stacks", case.stacks), ("graph", case.graph), ("log", case.log)]
    return [(name, part) for name, part in named if part.text is None]
