"""The ladder at the end of a worker: asked, SIGTERM, SIGKILL, its family, looked at from outside, receipt.

Each rung has a deadline of the settings and is written down. It works on any `Process`: a child with a channel, or one
that a former control plane left.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from steadycast.model import Check, Measures, Receipt, Rung
from steadycast.tracking import displays, receipts
from steadycast.tracking.families import Identity, family
from steadycast.tracking.gauge import Gauge
from steadycast.tracking.receipts import Descriptor, Held, Outcome
from steadycast.workers import records
from steadycast.workers.child import WORKER
from steadycast.workers.process import Process, kill, reap
from steadycast.workers.records import WorkerRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steadycast.config.settings import WorkerSettings

LOOK_EVERY_S = 0.02  # while a family is ending
LOOK_S = 10  # one look at all processes
LOOKS = 2  # that may come late before the ladder goes on with what is known

T = TypeVar("T")


@dataclass(slots=True)
class Ladder:
    """One way down, used once. `process` is None where it was gone already.

    `before` is the last that was measured of it; it is measured again where its end begins while it lives.
    """

    runtime: Path
    record: WorkerRecord
    process: Process | None
    settings: WorkerSettings
    looks: Executor
    gauge: Gauge
    known: set[Identity] = field(default_factory=set)
    before: Measures | None = None
    measured: bool = False  # it still lived then
    rungs: list[Rung] = field(default_factory=list)

    @property
    def identity(self) -> Identity:
        return Identity(self.record.pid, self.record.start_time)

    async def climb_down(self, ask: Callable[[], bool]) -> None:
        """End the process and its family; returns when they are gone or nothing helps.

        `ask` says End to the worker and returns False where nobody hears it.
        """
        if self.process is not None and not self.process.exited.done():
            await asyncio.gather(self._note_family(), self._measure())
            await self._end_process(self.process, ask)
        if self.process is not None and self.process.popen is None:
            await self._wait_until_reaped()
        await self._end_family()

    async def _end_process(self, process: Process, ask: Callable[[], bool]) -> None:
        if ask():
            with self._rung("end"):
                await process.wait(self.settings.end_s)
        if not process.exited.done():
            with self._rung("term"):
                process.send(signal.SIGTERM)
                await process.wait(self.settings.term_s)
        if not process.exited.done():
            with self._rung("kill"):
                await self._note_family()
                process.send(signal.SIGKILL)
                await process.wait(self.settings.kill_s)

    async def _note_family(self) -> None:
        """Before it ends, as descendants can be known by it. Where the kernel does not answer it ends all the same."""
        try:
            await self._remember()
        except (TimeoutError, OSError) as error:
            self._not_looked(error)

    async def _measure(self) -> None:
        now = await self.gauge.measure(self.record.pid)
        if now is not None and now.descriptors is not None:  # else it ended meanwhile
            objects = now.objects if self.before is None else self.before.objects
            self.before, self.measured = replace(now, objects=objects), True

    async def _wait_until_reaped(self) -> None:
        """No child of ours when it was found: it may be by now (we are the subreaper), or its end is not yet seen."""
        until = time.monotonic() + self.settings.kill_s
        with self._rung("reaped"):
            while not reap(self.identity) and time.monotonic() < until:
                await asyncio.sleep(LOOK_EVERY_S)

    async def _end_family(self) -> None:
        left = await self._left()
        if not left:
            return
        with self._rung("family term", f"{len(left)} left"):  # an X server takes its files with it
            left = await self._send_until_gone(signal.SIGTERM, self.settings.term_s)
        if left:
            with self._rung("family kill", f"{len(left)} left"):
                await self._send_until_gone(signal.SIGKILL, self.settings.kill_s)

    async def _send_until_gone(self, number: signal.Signals, seconds: float) -> set[Identity]:
        """Signal each of the family once (those that are forked meanwhile too) until none is left."""
        signalled: set[Identity] = set()
        until = time.monotonic() + seconds
        while left := await self._left():
            for identity in left - signalled:
                kill(identity, number)
                kill(identity, signal.SIGCONT)  # a stopped process would not hear a SIGTERM
            signalled |= left
            if time.monotonic() > until:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        return left

    async def _left(self) -> set[Identity]:
        """The family now. Where the kernel does not answer in time, those of it that are known and not yet reaped: the
        ladder goes on with them, and looks again."""
        with suppress(TimeoutError, OSError):
            return await self._again(self._remember)
        return {one for one in self.known if one != self.identity and not reap(one)}

    async def _again(self, look: Callable[[], Awaitable[T]]) -> T:
        """A look that may come late on a busy machine. Raises TimeoutError, OSError after `LOOKS` of them."""
        for _ in range(LOOKS - 1):
            try:
                return await look()
            except (TimeoutError, OSError) as error:
                self._not_looked(error)
        return await look()

    def _not_looked(self, error: Exception) -> None:
        if not any(rung.name == "family" for rung in self.rungs):  # once is enough to say that
            self.rungs.append(Rung("family", time.time(), LOOK_S, f"it could not be looked at: {error!r}"))

    async def _remember(self) -> set[Identity]:
        """The family now, reaped where it is ours to reap; the ladder keeps knowing them."""
        mark = (WORKER, self.record.id)
        # Without its process a session number may be another's by now.
        found = await self._look_with(
            partial(family, self.identity, mark, frozenset(self.known), by_session=self.process is not None)
        )
        members = {Identity(one.pid, one.start_time) for one in found}
        self.known |= members
        for one in found:
            if one.state == "Z" and reap(Identity(one.pid, one.start_time)):
                members.discard(Identity(one.pid, one.start_time))
        return members

    async def look(self, cause: str, descriptors: tuple[Descriptor, ...]) -> Receipt:
        """Remove what files it left, look at everything from outside, and write the receipt. Raises TimeoutError,
        OSError where the kernel does not answer."""
        began, at = time.monotonic(), time.time()
        held = Held(
            worker=self.record.id,
            kind=self.record.kind,
            lobby=self.record.lobby,
            identity=self.identity,
            mark=(WORKER, self.record.id),
            started=self.record.started,
            folder=records.folder(self.runtime),
            known=tuple(self.known),
            by_session=self.process is not None,
            descriptors=descriptors,
        )
        checks = await self._again(lambda: self._look_with(partial(_clear_and_look, self.runtime, held)))
        checks += await self._ask_drivers()
        self.rungs.append(Rung("looked", at, time.monotonic() - began))
        code = self.process.exit_code if self.process else None
        killed_by = self.process.killed_by if self.process else None
        return receipts.write(held, Outcome(cause, code, killed_by, tuple(self.rungs), self.before), checks)

    async def _ask_drivers(self) -> tuple[Check, ...]:
        """Drivers lag, so they are asked again for a while; not at all where this host has none that tells of
        processes, or where it had nothing of theirs as its end began. What one had that died by itself nobody knows."""
        had = (None, None) if self.before is None else (self.before.vram, self.before.encoder_sessions)
        vram, sessions = (bool(one) for one in had)
        if not self.measured:
            if self.gauge.mute:
                return receipts.driver_checks((None, None), "a driver of this host does not answer")
            told = self.gauge.shown(self.record.pid)
            vram, sessions = vram or told[0] is not None, sessions or told[1] is not None
        if not (vram or sessions):
            return ()
        with self._rung("drivers"):
            shown = await self.gauge.until_released(self.record.pid)
        return receipts.driver_checks(shown, "its driver does not tell any more", vram=vram, sessions=sessions)

    async def _look_with(self, look: Callable[[], T]) -> T:
        """Run what reads much of /proc beside the event loop. Raises TimeoutError where the kernel does not answer."""
        async with asyncio.timeout(LOOK_S):
            return await asyncio.get_running_loop().run_in_executor(self.looks, look)

    @contextmanager
    def _rung(self, name: str, note: str | None = None) -> Iterator[None]:
        began, at = time.monotonic(), time.time()
        try:
            yield
        finally:
            self.rungs.append(Rung(name, at, time.monotonic() - began, note))


def _clear_and_look(runtime: Path, held: Held) -> tuple[Check, ...]:
    numbers, servers = records.claims(runtime, held.worker, tuple(one.pid for one in held.known))
    for number in numbers:
        displays.remove(number, servers)
    records.retire(runtime, held.worker)
    records.remove_files(runtime, held.worker)
    held = replace(held, displays=numbers, servers=servers)
    return receipts.checks(held, receipts.look(held))
