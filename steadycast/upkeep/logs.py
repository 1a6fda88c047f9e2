"""Reads what workers write (their own words, GStreamer's warnings, what drivers print) and says what it really means.

In the sampler's thread. Of each log the newest 256 KiB are read, then what it grows by; one that was cut
begins anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from steadycast.tracking.signatures import Diagnosis, Facts, Incidents, Matcher, Table

PIECE = 1 << 16  # bytes of one log in one look
LOOKS = 4  # pieces at most: what a log grew beyond that is left out
LOGS = 1024  # that are followed; those told of last are not


@dataclass(slots=True)
class _Log:
    path: Path
    offset: int
    matcher: Matcher
    incidents: Incidents


@dataclass(frozen=True, slots=True)
class Said:
    """What the log of the worker with this role says of it."""

    role: str
    diagnosis: Diagnosis


class Logs:
    """Of the workers of one host. `facts` is asked for what is true of the process with this role, when it matters."""

    def __init__(self, folder: Path, table: Table, facts: Callable[[str], Facts | None]) -> None:
        self._folder = folder
        self._table = table
        self._facts = facts
        self._logs: dict[str, _Log] = {}  # by worker
        self.left_out = 0  # bytes

    def read(self, workers: Mapping[str, str]) -> Iterator[Said]:
        """What is news. `workers` has the role of each worker by its id."""
        for gone in self._logs.keys() - workers.keys():
            del self._logs[gone]
        for worker, role in workers.items():
            one = self._logs.get(worker) or self._begun(worker, role)
            if one is None:
                continue
            for match in one.matcher.feed(self._news(one)):
                diagnosis = one.incidents.add(match)
                if diagnosis is not None:
                    yield Said(role, diagnosis)

    def _begun(self, worker: str, role: str) -> _Log | None:
        if len(self._logs) >= LOGS:
            return None
        incidents = Incidents(lambda _: self._facts(role))
        one = _Log(self._folder / f"{worker}.log", 0, Matcher(self._table, source=worker), incidents)
        self._logs[worker] = one
        return one

    def _news(self, one: _Log) -> bytes:
        try:
            with one.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < one.offset:  # it was cut
                    one.offset = 0
                if size - one.offset > PIECE * LOOKS:
                    self.left_out += size - one.offset - PIECE * LOOKS
                    one.offset = size - PIECE * LOOKS
                file.seek(one.offset)
                news = file.read(PIECE * LOOKS)
        except OSError:
            return b""
        one.offset += len(news)
        return news
