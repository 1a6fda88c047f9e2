"""Facts on their way to the store: nobody waits for the disk, and the newest value of a name wins."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from steadycast.errors import SteadycastError
from steadycast.lobbies.store import Store

log = structlog.get_logger("encoders")

WAITING = 1024  # names that wait for the disk; more are dropped with a line in the log
FLUSH_S = 10.0
CAP, TRIAL, CPU = "encoder.cap", "encoder.trial", "encoder.cpu"  # kinds of facts


class Notes:
    """Reads facts once and writes them behind."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[tuple[str, str], Any] = {}
        self._writing: asyncio.Task[None] | None = None

    async def read(self, kind: str) -> dict[str, Any]:
        """All facts of a kind; none where the disk fails, which is logged: then they are found out again."""
        try:
            return await self._store.facts(kind)
        except SteadycastError as error:
            log.error("facts cannot be read", kind=kind, code=error.code, what=error.what)
            return {}

    def put(self, kind: str, name: str, value: Any) -> None:
        """Keep a fact; None forgets it."""
        if len(self._waiting) >= WAITING and (kind, name) not in self._waiting:
            log.error("a fact is lost: the disk does not keep up", kind=kind, name=name)
            return
        self._waiting[kind, name] = value
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="write facts")

    async def flush(self) -> None:
        """Wait until what was put is written, or could not be; at most `FLUSH_S`."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=FLUSH_S)

    async def _write(self) -> None:
        while self._waiting:
            (kind, name), value = next(iter(self._waiting.items()))
            del self._waiting[kind, name]
            try:
                if value is None:
                    await self._store.remove_fact(kind, name)
                else:
                    await self._store.put_fact(kind, name, value)
            except SteadycastError as error:
                log.error("a fact could not be written", kind=kind, name=name, code=error.code, what=error.what)
