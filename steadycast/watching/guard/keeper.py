"""Keeps one server alive: looks, decides, acts, writes down, one thing after the other: nothing is done twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from steadycast.errors import ConflictError
from steadycast.tracking import proc
from steadycast.watching.common.ladder import Outcome
from steadycast.watching.guard import record as records
from steadycast.watching.guard.command import CommandTarget, recall
from steadycast.watching.guard.decide import Decision, Do, after, carried_out, decide, settle
from steadycast.watching.guard.effects import Effects, begun
from steadycast.watching.guard.evidence import Case, EvidenceFolder
from steadycast.watching.guard.facts import Facts, Memory, Moment, Presence, Server
from steadycast.watching.guard.journal import Journal, Kind
from steadycast.watching.guard.lock import Locks
from steadycast.watching.guard.policy import Policy
from steadycast.watching.guard.record import Life, Record, clock
from steadycast.watching.guard.target import Target
from steadycast.watching.guard.telling import tell
from steadycast.watching.guard.views import known_of, status_of
from steadycast.watching.guard.watchers import Watchers

WRITE_EVERY_S = 5.0  # the state file, where nothing happens


class Keeper:
    """`locks` is None in a dry run: it says what it would do and does nothing."""

    def __init__(
        self, policy: Policy, folder: Path, target: Target, watchers: Watchers, journal: Journal, locks: Locks | None
    ) -> None:
        self.policy = policy
        self.journal = journal
        self.watchers = watchers
        self.memory = Memory()
        self.server = Server(Presence.UNKNOWN, "not looked at yet")
        self.decision = Decision(Do.NOTHING, "not decided yet")
        self.effects = Effects(journal, watchers.leaks)
        self.counts: Counter[tuple[str, str]] = Counter()  # what was done, and its cause
        self.busy: str | None = None
        self._folder = folder
        self._target = target
        self._locks = locks
        self._evidence = EvidenceFolder(folder / "evidence", policy.evidence)
        self._asked: str | None = None
        self._stop = asyncio.Event()
        self._written = 0.0
        self._life: Life | None = None
        self.started_at = time.time()

    @property
    def dry(self) -> bool:
        return self._locks is None

    @property
    def life(self) -> Life | None:
        return self._target.life

    # --- what a person may ask for

    def ask_restart(self, who: str) -> None:
        """Raises ConflictError where it is latched."""
        if self.memory.latch is not None:
            why = self.memory.latch.why
            raise ConflictError("guard.latched", "Guard is latched.", why=why, hint="Reset it first.")
        self._asked = who
        self.watchers.news.set()

    def reset(self, who: str) -> bool:
        """Begin anew: no latch, an empty budget. Whether there was a latch."""
        was = self.memory.latch is not None
        self.memory = replace(self.memory, latch=None, restarts=(), settled=None)
        self._target.forgive()
        self.journal.say(Kind.PERSON, f"reset by {who}")
        self._write()
        self.watchers.news.set()
        return was

    def pause(self, who: str, paused: bool) -> None:
        """Do nothing until told to go on; kept over a restart of guard."""
        self.memory = replace(self.memory, paused=paused)
        self.journal.say(Kind.PERSON, f"{'paused' if paused else 'goes on'} by {who}")
        self._write()
        self.watchers.news.set()

    def stop(self) -> None:
        """Come to an end."""
        self._stop.set()
        self.watchers.news.set()

    # --- the loop

    async def run(self) -> int:
        """Until stopped, or until the server ended and the policy wants no start after that. The exit code."""
        self._recall()
        self.watchers.start()
        try:
            while not self._stop.is_set():
                if await self._step() is Do.FINISH:
                    self._forget_life()
                    return 1 if self.server.ended is not None and self.server.ended.failed else 0
                self.watchers.news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.policy.look_every_s):
                        await self.watchers.news.wait()
            await self._leave()
            return 0
        finally:
            await self.watchers.close()
            self._target.close()

    def _recall(self) -> None:
        """What an earlier guard wrote down: its server is adopted where it still runs, even if the record is lost."""
        record = records.read(self._folder, self._target.name)
        life = None if record is None else record.life
        if record is not None:
            self.memory = record.memory
        if isinstance(self._target, CommandTarget):
            recall(self._target, life, records.mark_family(self.policy.name, self._target.name), self.journal)
        if self.memory.latch is not None:
            self.journal.say(Kind.GUARD, f"still latched: {self.memory.latch.why}", grave=True)

    async def _step(self) -> Do:
        self.watchers.check()
        self.server = await self._target.look()
        self._note_life()
        now = Moment(clock(), time.time(), datetime.now().astimezone())
        facts = self.watchers.facts(self.server, self._asked, now.unix)
        self.memory = settle(facts, self.policy, self.memory, now)
        self.effects.judge(facts, now.clock, self._born, self.policy.budget.settled_s)
        decision = decide(facts, self.policy, self.memory, now)
        tell(self.journal, self.decision, decision, self.server, dry=self.dry)
        self.decision = decision
        if self.dry:
            return Do.NOTHING
        if decision.do in (Do.START, Do.RESTART):
            await self._act(decision, facts, now)
        elif decision.do is Do.LATCH:
            self.memory = after(decision, self.memory, now)
            self.effects.overtake(now.clock)
            self._write()
        elif clock() - self._written > WRITE_EVERY_S:
            self._write()
        return decision.do

    def _note_life(self) -> None:
        """A life began, or ended, or is another one by now."""
        life = self._target.life if self.server.presence is Presence.RUNNING else None
        if self.server.presence is Presence.UNKNOWN or life == self._life:
            return
        before, self._life = self._life, life
        if life is None:
            self.watchers.end()
            if self.server.presence is not Presence.STUCK:
                ended = self.server.ended
                self.journal.say(Kind.SERVER, ended.words() if ended else self.server.why or "it does not run any more")
            return
        if self._locks is not None and life.identity is not None:
            self._locks.take_process(life.identity)
        self.memory = replace(self.memory, began=True)
        self.watchers.begin(life, adopted=self.server.adopted)
        if self.server.adopted:
            other = before is not None and before.pid != life.pid
            text = "somebody started another" if other else "looks after a server that runs already"
            self.journal.say(Kind.SERVER, text, pid=life.pid)
        if not self.dry:
            self._write()

    # --- acting

    async def _act(self, decision: Decision, facts: Facts, now: Moment) -> None:
        assert decision.reason is not None
        cause, evidence = decision.reason.cause, None
        self.busy = f"{decision.do}: {decision.why}"
        if self._target.life is not None:
            evidence = await self._keep_evidence(decision, facts)
            if not await self._is_as_decided():
                self.journal.say(Kind.DECISION, "it looks again: something changed while evidence was kept")
                self.busy = None
                return
        self._asked = None
        self.memory = after(decision, self.memory, now)
        self.effects.overtake(now.clock)
        self._write()  # before anything is done: the budget counts it whatever becomes of guard
        level = self.effects.level(decision.reason.finding, self._born)
        outcome = await self._end() if self._target.life is not None else Outcome(True, "")
        if not outcome.stuck:
            await self._begin(decision)
            if cause.value != "first":
                self.effects.begin(begun(decision.reason, time.time(), clock(), level, evidence))
        self.busy, self.memory = None, carried_out(self.memory, clock())
        self._write()

    async def _is_as_decided(self) -> bool:
        """Whether it is still that life, and runs, or does not run, as when it was decided; and nobody held it up."""
        life = self._target.life
        if self._stop.is_set() or (self.memory.paused and self._asked is None):
            return False
        found = await self._target.look()
        return found.presence is self.server.presence and self._target.life == life

    async def _end(self) -> Outcome:
        self.watchers.end()
        self._life = None
        outcome = await self._target.stop()
        await self.watchers.drain()
        if outcome.stuck:
            self.journal.say(Kind.TROUBLE, f"it cannot be ended: {outcome.text}", grave=True)
        elif outcome.rungs:
            self.journal.say(Kind.SERVER, f"ended: {outcome.text}")
        return outcome

    async def _begin(self, decision: Decision) -> None:
        assert decision.reason is not None
        family = records.mark_family(self.policy.name, self._target.name)
        life = Life(f"{family}{secrets.token_hex(6)}", at=time.time())
        self._write(life)
        outcome = await self._started(life)
        self.counts[("start" if outcome.ok else "start failed", decision.reason.cause.value)] += 1
        kind = Kind.SERVER if outcome.ok else Kind.TROUBLE
        self.journal.say(kind, outcome.text, because=decision.why)

    async def _started(self, life: Life) -> Outcome:
        """A start may take long; guard that is told to end does not wait for it."""
        starting = asyncio.create_task(self._target.start(life))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if starting.done():
            return starting.result()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return Outcome(False, "guard was told to end while it waited for the start")

    async def _keep_evidence(self, decision: Decision, facts: Facts) -> str | None:
        assert decision.reason is not None
        lines = self.watchers.log.newest() if self.watchers.log is not None else ()
        case = Case(decision.reason.cause.value, decision.why, decision.trail, known_of(self, facts), lines)
        members = await asyncio.to_thread(self._target.members)
        name = await self._evidence.keep(case, members, self.policy.target.environment)
        if name is None:
            self.journal.say(Kind.TROUBLE, "what is known of it could not be written down")
        else:
            self.journal.say(Kind.EVIDENCE, "kept what is known of it", file=self._folder / "evidence" / name)
        return name

    @property
    def _born(self) -> int | None:
        return None if self._target.life is None else self._target.life.start_time

    async def _leave(self) -> None:
        """Guard was told to end: the server too, where the policy says so."""
        if not self.policy.target.stops_with_guard or self.dry:
            running = self.server.presence is Presence.RUNNING
            self.journal.say(Kind.GUARD, "guard ends; the server is left running" if running else "guard ends")
            if not self.dry:
                self._write()
            return
        self.journal.say(Kind.GUARD, "guard ends, and the server with it")
        if self._target.life is not None:
            outcome = await self._end()
            if outcome.stuck:
                self._write()
                return
        self._forget_life()

    def _forget_life(self) -> None:
        """It was ended on purpose, or is done: the next start is a first one."""
        self.server = Server(Presence.ABSENT, "guard ended", ended=self.server.ended)
        self.memory = replace(self.memory, began=False)
        self._target.close()
        self._target.life = None
        self._write()

    def _write(self, life: Life | None = None) -> None:
        if self.dry:
            return
        life = life or self._target.life
        record = Record(self._target.name, proc.boot_id(), os.getpid(), life, self.memory, self.status())
        try:
            records.write(self._folder, record)
            self._written = clock()
        except OSError as error:
            self._written = clock()
            self.journal.say(Kind.TROUBLE, f"the state cannot be written: {error.strerror or error}")

    def status(self) -> dict[str, Any]:
        """As `status` and the API show it."""
        return status_of(self)
