"""One watch from its beginning to its end: whom, how long, what is told, how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from steadycast.errors import ConfigError
from steadycast.model import Finding, FindingState
from steadycast.tracking.probes.devices import Devices
from steadycast.tracking.probes.pace import Steps
from steadycast.tracking.probes.sampler import Sampler
from steadycast.tracking.probes.targets import Target
from steadycast.watching.common.growing import Source
from steadycast.watching.watch.aims import Aim, refuse_missing, targets_of
from steadycast.watching.watch.command import Command
from steadycast.watching.watch.cycle_log import CycleLog, CyclePattern
from steadycast.watching.watch.display import Display, show_events
from steadycast.watching.watch.logs import EVERY_S, Listening, log_source
from steadycast.watching.watch.observing import Observing
from steadycast.watching.watch.record import Recording
from steadycast.watching.watch.report import finding_plain, ordered

TICK_S = 0.25
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Wanted:
    """`seconds` None: until told to end. `cycles`: lines of a log that tell of sessions; `output`: where what the
    command prints is kept instead of shown."""

    aim: Aim
    seconds: float | None = None
    every_s: float = 1.0
    settle_s: float = 3.0
    cycles: CyclePattern | None = None
    log: Path | None = None
    record: Path | None = None
    output: Path | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of it. `ended`: why it is over, in words. `failed`: there was nothing to be judged."""

    wanted: Wanted
    began: float
    seconds: float
    ended: str
    observing: Observing
    findings: tuple[Finding, ...]
    failed: bool

    @property
    def confirmed(self) -> int:
        """Findings that are."""
        return sum(one.state is FindingState.CONFIRMED for one in self.findings)

    def plain(self) -> dict[str, Any]:
        """One object; docs/watch.md describes it."""
        courses, aim = self.observing.courses, self.wanted.aim
        return {
            "watched": {"by": aim.kind, "pids": list(aim.pids), "name": aim.name, "cgroup": aim.cgroup,
                        "unit": aim.unit, "command": list(aim.command) or None},
            "roles": courses.roles(), "began": self.began, "seconds": self.seconds, "ended": self.ended,
            "rounds": self.observing.rounds, "looks": courses.looks, "every_s": self.wanted.every_s,
            "findings": [finding_plain(one) for one in self.findings],
            "series": courses.series(), "unknown": courses.unknown(), "notes": list(self.observing.notes),
        }  # fmt: skip


async def watch(wanted: Wanted, display: Display) -> Watched:
    """Raises ConfigError where there is nothing to be watched; whatever happens, the command is over afterwards."""
    stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_signals(stop))
        output = None if wanted.output is None else stack.enter_context(_opened(wanted.output))
        cycles = None if wanted.cycles is None else CycleLog(wanted.cycles, wanted.settle_s)
        source = log_source(wanted.aim, wanted.log, counts=cycles is not None)
        return await _Watch(wanted, display, cycles, source, output).run(stop)


@contextlib.contextmanager
def _signals(stop: asyncio.Future[str]) -> Iterator[None]:
    def told(number: signal.Signals) -> None:
        if not stop.done():
            stop.set_result("Ctrl-C" if number is signal.SIGINT else number.name)

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, told, number)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("ab")
    except OSError as error:
        raise ConfigError("watch.output", f"--output {path} cannot be written: {error.strerror}.") from None


class _Watch:
    def __init__(
        self, wanted: Wanted, display: Display, cycles: CycleLog | None, source: Source | None, output: IO[bytes] | None
    ) -> None:
        self._wanted = wanted
        self._display = display
        self._cycles = cycles
        self._source = source
        self._output = output
        self._listening: Listening | None = None
        self._recording: Recording | None = None
        steps = Steps(fast_s=wanted.every_s, slow_s=max(60.0, wanted.every_s), settle_s=wanted.settle_s)
        self._sampler = Sampler(devices=Devices(), steps=steps)
        self._began, self._at = time.monotonic(), time.time()

    async def run(self, stop: asyncio.Future[str]) -> Watched:
        command = Command(self._wanted.aim.command, self._printed) if self._wanted.aim.command else None
        try:
            if command is not None:
                command.start()
            observing = await self._begin(command)
            ended = await self._go_on(observing, command, stop)
        finally:
            await asyncio.to_thread(self._sampler.stop)
            await self._end(command)
        show_events(self._display, *observing.news())
        with observing.lock:
            findings = tuple(ordered(observing.findings()))
        failed = command is not None and command.ended() is not None and observing.courses.at_processes < 2
        seconds = time.monotonic() - self._began
        return Watched(self._wanted, self._at, seconds, ended, observing, findings, failed)

    async def _begin(self, command: Command | None) -> Observing:
        """The first round tells whether there is anybody."""
        wanted = self._wanted
        told = None if self._cycles is None else self._cycles.told
        targets = targets_of(wanted.aim, told, None if command is None else command.pid)
        for target in targets:
            self._sampler.watch(target)
        first = await asyncio.to_thread(self._sampler.sample)
        if command is None:
            refuse_missing(wanted.aim, first.missing)
        about = {
            "watched": wanted.aim.kind,
            "groups": wanted.aim.means_groups,
            "roles": [target.role for target in targets],
        }
        self._recording = None if wanted.record is None else Recording(wanted.record, about)
        roles = [] if command is not None else [target.role for target in targets]  # how that one ended is told
        observing = Observing(roles, self._recording, groups=wanted.aim.means_groups)
        if command is not None or self._source is not None:
            self._listening = Listening(targets[0].role, self._cycles, observing)
        self._display.say(_beginning(wanted, targets), "dim")
        observing.take(first)
        self._sampler.start(observing.take)
        return observing

    async def _go_on(self, observing: Observing, command: Command | None, stop: asyncio.Future[str]) -> str:
        """Until it is over; answers why."""
        until = None if self._wanted.seconds is None else self._began + self._wanted.seconds
        read_at = 0.0
        while True:
            now = time.monotonic()
            if self._source is not None and now - read_at >= EVERY_S:
                read_at = now
                await self._read(self._source, observing)
            show_events(self._display, *observing.news())
            self._display.tick(observing, now - self._began)
            if stop.done():
                return stop.result()
            if command is not None and (ended := command.ended()) is not None:
                return ended
            if until is not None and now >= until:
                return "its time is over"
            if command is None and observing.is_over and not self._wanted.aim.may_come_again:
                return "what was watched has ended"
            waiting: list[asyncio.Future[Any]] = [stop] if command is None else [stop, command.exited]
            await asyncio.wait(waiting, timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)

    async def _read(self, source: Source, observing: Observing) -> None:
        try:
            data = await asyncio.to_thread(source.read)
        except OSError as error:
            observing.note(f"the log cannot be read: {error.strerror or error}")
            return
        if data and self._listening is not None:
            self._listening.feed(data)

    def _printed(self, data: bytes) -> None:
        """By the command."""
        if self._output is not None:
            self._output.write(data)
            self._output.flush()
        else:
            self._display.output(data)
        if self._listening is not None and self._source is None:
            self._listening.feed(data)

    async def _end(self, command: Command | None) -> None:
        if command is not None and (left := await command.end()) is not None:
            self._display.say(left, "red")
        if self._source is not None:
            self._source.close()
        if self._recording is not None:
            self._recording.close()


def _beginning(wanted: Wanted, targets: tuple[Target, ...]) -> str:
    who = ", ".join(f"{one.role} (process {one.pid})" if one.pid is not None else one.role for one in targets[:4])
    more = f" and {len(targets) - 4} more" if len(targets) > 4 else ""
    each = "each second" if wanted.every_s == 1 else f"every {wanted.every_s:g} s"
    return f"watching {who}{more} and all that it starts, {each}"
