"""Everything that asks about one server, each at its own pace; together they answer the facts for the next decision."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from steadycast.model import FindingChange
from steadycast.watching.common.growing import Log
from steadycast.watching.guard.counts import Count, count
from steadycast.watching.guard.facts import Act, Facts, Health, Server, Sign
from steadycast.watching.guard.health import HealthWatch
from steadycast.watching.guard.journal import Journal, Kind
from steadycast.watching.guard.leaks import LeakWatch
from steadycast.watching.guard.policy import Policy
from steadycast.watching.guard.record import Life, clock
from steadycast.watching.guard.signs import LogSigns

LOG_EVERY_S = 0.25


class Watchers:
    """The probes of one policy. Nothing is asked while the server does not run."""

    def __init__(
        self, policy: Policy, journal: Journal, log: Log | None, signs: LogSigns, leaks: LeakWatch | None = None
    ) -> None:
        environment = policy.target.environment
        self.health = tuple(HealthWatch(probe, environment) for probe in policy.health)
        self.log = log
        self.signs = signs
        self.leaks = leaks
        self.watching = Count(None, "not asked yet")
        self._policy = policy
        self._journal = journal
        self._nobody_since: float | None = None
        self._life: Life | None = None
        self._asking = asyncio.Lock()  # a health probe of ours is no viewer
        self._tasks: list[asyncio.Task[None]] = []
        self._begun: list[asyncio.Event] = []  # one a task: ask now
        self._wake = asyncio.Event()

    @property
    def news(self) -> asyncio.Event:
        """Set when something was heard."""
        return self._wake

    def start(self) -> None:
        """Begin to ask."""
        for one in self.health:
            self._repeat(lambda one=one: self._ask_health(one), one.probe.every_s)  # type: ignore[misc]
        if self.log is not None:
            self._repeat(self._read_log, LOG_EVERY_S)
        if self._policy.quiet is not None and self._policy.quiet.watching is not None:
            self._repeat(self._count, self._policy.quiet.watching.every_s)

    def _repeat(self, ask: Callable[[], Awaitable[None]], every_s: float) -> None:
        begun = asyncio.Event()
        self._begun.append(begun)

        async def again() -> None:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(every_s):
                        await begun.wait()
                begun.clear()
                await ask()

        self._tasks.append(asyncio.create_task(again()))

    def begin(self, life: Life, *, adopted: bool) -> None:
        """Another life of the server."""
        self._life = life
        self._nobody_since = None
        self.watching = Count(None, "not asked yet")
        self.signs.begin()
        if self.log is not None:
            self.log.begin(time.time() if adopted or life.at is None else life.at)
        for one in self.health:
            one.begin()
        for event in self._begun:
            event.set()
        if self.leaks is not None and life.identity is not None:
            self.leaks.begin(life.identity)

    def check(self) -> None:
        """What asks must not end; where it did, guard ends with it, and the next one adopts the server."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def drain(self) -> None:
        """The rest of its log."""
        if self.log is not None:
            await self.log.drain()

    def end(self) -> None:
        """It does not run."""
        self._life = None
        self._nobody_since = None
        if self.leaks is not None:
            self.leaks.end()

    async def _ask_health(self, one: HealthWatch) -> None:
        if self._life is None:
            return
        async with self._asking if self._counts_ports() else _Free():
            before, now = await one.ask()
        if self._life is not None:
            self._tell_health(before, now)
            self._wake.set()

    def _counts_ports(self) -> bool:
        quiet = self._policy.quiet
        return quiet is not None and quiet.watching is not None and quiet.watching.port is not None

    def _tell_health(self, before: Health, now: Health) -> None:
        if now.ok is True and before.ok is not True:
            self._journal.say(Kind.HEALTH, f"{now.name} is well: {now.text}")
        elif now.ok is False and now.failures in (1, now.allowed):
            times = f" ({now.failures} of {now.allowed} times)" if now.allowed > 1 else ""
            ready = "" if now.was_good else ", not well yet"
            self._journal.say(Kind.HEALTH, f"{now.name} failed{times}{ready}: {now.text}")
        elif now.ok is None and (before.ok is not None or not before.text.startswith(now.text[:40])):
            self._journal.say(Kind.HEALTH, f"{now.name} cannot tell: {now.text}")

    async def _read_log(self) -> None:
        assert self.log is not None
        before = self.log.trouble
        data, lines = await self.log.read()
        if self.log.trouble is not None and self.log.trouble != before:
            self._journal.say(Kind.TROUBLE, f"the server's log cannot be read: {self.log.trouble}")
        if self._life is None or not data:
            return
        for sign in self.signs.feed(data, lines, clock()):
            self._journal.say(Kind.SIGN, sign.text, does=sign.act)
            if self.leaks is not None:
                self.leaks.note_signature(sign)
            self._wake.set()

    async def _count(self) -> None:
        assert self._policy.quiet is not None and self._policy.quiet.watching is not None
        if self._life is None:
            return
        async with self._asking:
            found = await count(self._policy.quiet.watching, self._life.pid, self._policy.target.environment)
        if found.number is None and self.watching.text != found.text:
            self._journal.say(Kind.TROUBLE, f"it cannot be told how many watch: {found.text}")
        self.watching = found
        if found.number == 0:
            self._nobody_since = self._nobody_since or clock()
        else:
            self._nobody_since = None

    def findings(self, unix: float) -> tuple[Sign, ...]:
        """What leak detection found, told as it comes."""
        if self.leaks is None:
            return ()
        for event in self.leaks.events():
            finding = event.finding
            quiet = event.change is FindingChange.OPENED
            kind = Kind.GUARD if quiet else Kind.SIGN
            self._journal.say(kind, f"finding {event.change}: {finding.headline}", finding=finding.id)
        return self.leaks.signs(unix)

    def facts(self, server: Server, asked: str | None, unix: float) -> Facts:
        """All that is known now."""
        signs = (*self.signs.signs, *self.findings(unix))
        nobody_s = None if self._nobody_since is None else clock() - self._nobody_since
        health = tuple(one.health for one in self.health)
        return Facts(server, health, signs, self.watching.number, nobody_s, asked)

    @property
    def restarting_probes(self) -> bool:
        """Whether a health probe may restart the server."""
        return any(one.health.act is Act.RESTART for one in self.health)

    async def close(self) -> None:
        """Ask no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.log is not None:
            self.log.close()
        if self.leaks is not None:
            await asyncio.to_thread(self.leaks.close)


class _Free:
    """A lock that nobody waits for."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...
