"""A server that somebody else started, named by a pid file or a command: guard follows it, ends it by its stop command
or signals, and starts it by its start command."""

from __future__ import annotations

import asyncio
import time

from steadycast.patience import Patience
from steadycast.tracking.families import Identity
from steadycast.watching.common import tree
from steadycast.watching.common.ladder import Outcome
from steadycast.watching.common.running import run
from steadycast.watching.guard.facts import Ended, Presence, Server
from steadycast.watching.guard.followed import FollowedProcess
from steadycast.watching.guard.pidnames import Named, Unclear, pid_from_command, pid_from_file
from steadycast.watching.guard.policy import Policy
from steadycast.watching.guard.record import Life, born, clock
from steadycast.watching.guard.target import ladder_of, target_name
from steadycast.workers.process import Process

ASK_S = 10.0  # for the command that names the process
LOOK_EVERY_S = 0.1


class GivenTarget(FollowedProcess):
    """The process that a policy's pid file or command names."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        target = policy.target
        self._source = target.pid_file if target.pid_file is not None else " ".join(target.pid_command or ())
        self.name = target_name(None, None, False, self._source)
        self._policy = policy
        self._ended: Ended | None = None
        self._started_by_us = False

    async def look(self) -> Server:
        """Follow the process; when it is gone, see whether somebody started another."""
        if self._stuck is not None:
            return Server(Presence.STUCK, self._stuck)
        if self._process is not None and not self._process.exited.done():
            assert self.life is not None
            return Server(Presence.RUNNING, since=self.life.since, adopted=not self._started_by_us)
        if self._process is not None:
            self._ended = self._ended or Ended(clock())
        found = await self._ask()
        if isinstance(found, Named) and found.identity is not None:
            return self._take(found.identity)
        if isinstance(found, Unclear) and not self._is_stale(found):
            return Server(Presence.UNKNOWN, found.why)
        if self._ended is not None:
            return Server(Presence.ENDED, found.why, ended=self._ended)
        return Server(Presence.ABSENT, found.why)

    def _is_stale(self, found: Unclear) -> bool:
        """Whether it names the number of the process that was followed to its end, which another program has by now."""
        return self._process is not None and found.pid == self._process.identity.pid

    async def _ask(self) -> Named | Unclear:
        target = self._policy.target
        if target.pid_file is not None:
            return pid_from_file(target.pid_file, target.program)
        assert target.pid_command is not None
        ran = await run(target.pid_command, ASK_S, target.environment, target.folder)
        return pid_from_command(ran, target.pid_command[0], target.program)

    def _take(self, identity: Identity) -> Server:
        process = Process.find(identity)
        if process is None:
            return Server(Presence.UNKNOWN, f"process {identity.pid} ended while it was looked at")
        started_by_us = self._started_by_us and self._process is None
        self.close()
        self._process, self._known, self._ended, self._started_by_us = process, set(), None, started_by_us
        since = born(identity)
        self.life = Life("", identity.pid, identity.start_time, since, time.time() - (clock() - since))
        return Server(Presence.RUNNING, since=since, adopted=not started_by_us)

    async def start(self, life: Life) -> Outcome:
        """Run the start command, and wait until the pid file or command names a process. Where it names one already,
        somebody else was quicker."""
        target = self._policy.target
        assert target.start is not None
        self.close()
        self._ended, self._started_by_us = None, False
        there = await self._ask()
        if isinstance(there, Named) and there.identity is not None:
            self._take(there.identity)
            return Outcome(True, f"somebody started process {there.identity.pid} meanwhile")
        self._started_by_us = True
        ran = await run(target.start, self._policy.start.ready_s, target.environment, target.folder)
        if not ran.ok:
            self._ended = Ended(clock())
            return Outcome(False, f"the start command {ran.words()}")
        waiting = Patience(self._policy.start.ready_s, time.monotonic())
        found = await self._ask()
        while not (isinstance(found, Named) and found.identity is not None):
            if waiting.over(time.monotonic()):
                self._ended = Ended(clock())
                return Outcome(False, f"started, but no process shows: {found.why}")
            await asyncio.sleep(LOOK_EVERY_S)
            found = await self._ask()
        self._take(found.identity)
        return Outcome(True, f"started as process {found.identity.pid}")

    async def stop(self) -> Outcome:
        """End it and its descendants."""
        self.members()
        outcome = await tree.end(
            self._process, self._belonging, ladder_of(self._policy.stop), self._policy.target.environment
        )
        if outcome.stuck:
            self._stuck = outcome.text
        else:
            self._ended = Ended(clock())
        return outcome

    def _belonging(self) -> set[Identity]:
        if self.life is None or self.life.identity is None:
            return set()
        return tree.descended(self.life.identity, self._known)
