"""Reads what workers write (their own words, GStreamer's warnings, what drivers print) and says what it really means.

In the sampler's thread. Of each log the newest 256 KiB are read, then what it grows by; one that was cut
begins anew. A host that begins anew goes on where the one before had read to.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from steadycast.tracking.signatures import Diagnosis, Facts, Incidents, Matcher, Table
from steadycast.upkeep.places import Place, load, store

log = structlog.get_logger("upkeep")

PIECE = 1 << 16  # bytes of one log in one look
LOOKS = 4  # pieces at most: what a log grew beyond that is left out
LOGS = 1024  # that are followed; those told of last are not
STORE_S = 5.0  # between writes of the places, while nothing is said


@dataclass(slots=True)
class _Log:
    path: Path
    offset: int
    matcher: Matcher
    incidents: Incidents
    place: Place
    until: int  # bytes that were there when it was begun: what another host said of them is not said again


@dataclass(frozen=True, slots=True)
class Said:
    """What the log of the worker with this role says of it."""

    role: str
    diagnosis: Diagnosis


class Logs:
    """Of the workers of one host. `facts` is asked for what is true of the process with this role, when it matters;
    `kept` is the file for how far they were read."""

    def __init__(
        self, folder: Path, table: Table, facts: Callable[[str], Facts | None], kept: Path | None = None
    ) -> None:
        self._folder = folder
        self._table = table
        self._facts = facts
        self._kept = kept
        self._before = {} if kept is None else load(kept)  # of workers that were not seen yet
        self._logs: dict[str, _Log] = {}  # by worker
        self._stored = time.monotonic()
        self._is_stored = True
        self._why: str | None = None  # it could not be stored
        self.left_out = 0  # bytes

    def read(self, workers: Mapping[str, str]) -> list[Said]:
        """What is news. `workers` has the role of each worker by its id."""
        said = []
        for gone in self._logs.keys() - workers.keys():
            del self._logs[gone]
            self._is_stored = False
        for worker, role in workers.items():
            one = self._logs.get(worker) or self._begun(worker, role)
            if one is not None:
                said += [Said(role, diagnosis) for diagnosis in self._read(one)]
        if said or (not self._is_stored and time.monotonic() - self._stored >= STORE_S):
            self.store()
        return said

    def store(self) -> None:
        """How far was read. Blocking."""
        if self._kept is None or self._is_stored:
            return
        self._before = {name: one for name, one in self._before.items() if (self._folder / f"{name}.log").exists()}
        places = self._before | {worker: one.place for worker, one in self._logs.items()}
        self._stored, self._is_stored = time.monotonic(), True
        why = store(self._kept, places)
        if why is not None and why != self._why:  # a full disk is said once
            log.warning("how far logs were read is not stored", why=why)
        self._why = why

    def _begun(self, worker: str, role: str) -> _Log | None:
        if len(self._logs) >= LOGS:
            return None
        place = self._before.pop(worker, None) or Place()
        path = self._folder / f"{worker}.log"
        try:
            until = path.stat().st_size if place.told else 0
        except OSError:
            until = 0
        incidents = Incidents(lambda _: self._facts(role))
        one = _Log(path, place.offset, Matcher(self._table, source=worker), incidents, place, until)
        self._logs[worker] = one
        return one

    def _read(self, one: _Log) -> list[Diagnosis]:
        is_old = one.offset < one.until
        news = self._news(one)
        found = [made for match in one.matcher.feed(news) if (made := one.incidents.add(match)) is not None]
        if is_old:
            found = [made for made in found if not one.place.was_told(made.signature, made.why)]
        for made in found:
            one.place.tell(made.signature, made.why)
        if news:
            one.place.offset = one.offset - one.matcher.waiting
            self._is_stored = False
        return found

    def _news(self, one: _Log) -> bytes:
        try:
            with one.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < one.offset:  # it was cut
                    one.offset = one.until = 0
                if size - one.offset > PIECE * LOOKS:
                    self.left_out += size - one.offset - PIECE * LOOKS
                    one.offset = size - PIECE * LOOKS
                file.seek(one.offset)
                news = file.read(PIECE * LOOKS)
        except OSError:
            return b""
        one.offset += len(news)
        return news
