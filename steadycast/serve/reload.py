"""Reads the config again while the host runs: validates, plans, applies, verifies, rolls back, and says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from steadycast.config.addresses import needed_token
from steadycast.config.current import CurrentSettings
from steadycast.config.effects import settled
from steadycast.config.settings import Settings
from steadycast.errors import CallerError, ConfigError, ConflictError, SteadycastError
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.ids import lobby_id
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.reload_views import Outcome, ReloadView, Step
from steadycast.lobbies.reloading import ReloadPlan, plan_reload
from steadycast.lobbies.vetting import Vetting, check_declared
from steadycast.serve.logs import set_level
from steadycast.serve.reload_steps import Steps

log = structlog.get_logger("reload")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """Where the config came from: `read` reads file, environment and command line as at the start."""

    path: Path
    read: Callable[[], Settings]


class Reload:
    """`reload` for callers, `on_signal` for SIGHUP; one at a time. `file` is None where the host started without one.

    `declared` are the settings as they were read, `current` is where the rooms read them, with the real ports.
    """

    def __init__(
        self, file: ConfigFile | None, declared: Settings, current: CurrentSettings, lobbies: Lobbies, events: EventLog
    ) -> None:
        self._file = file
        self._declared = declared
        self._current = current
        self._lobbies = lobbies
        self._events = events
        self._ports = frozenset({current.now.port, current.now.rtsp_port})
        self._one = asyncio.Lock()
        self._tasks: set[asyncio.Task[ReloadView]] = set()
        self._signalled: asyncio.Task[None] | None = None
        self._asked = False  # by a signal since the config was read last

    async def reload(self, dry_run: bool = False) -> ReloadView:
        """Read the config and do what it asks for; it goes on where the caller goes away.

        Raises ConflictError `reload.no_file`, `reload.busy`; ConfigError where what was read is no good.
        """
        if self._one.locked():
            raise ConflictError("reload.busy", "The config is being read already.", hint="Ask again when that is done.")
        return await self._begin(dry_run)

    def on_signal(self) -> asyncio.Task[None]:
        """Read the config, when one that is being read is done. Signals that come before it is read are served by the
        same."""
        self._asked = True
        if self._signalled is None or self._signalled.done():
            self._signalled = asyncio.get_running_loop().create_task(self._quietly(), name="reload by signal")
        return self._signalled

    async def close(self) -> None:
        """Read nothing any more; what is half applied stays so, and the next start reads the config."""
        tasks = {task for task in (*self._tasks, self._signalled) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # --- inside

    async def _quietly(self) -> None:
        while self._asked:
            try:
                await self._begin(dry_run=False)
            except ConfigError:
                continue  # it is told already
            except SteadycastError as error:
                log.error("config not read", code=error.code, what=error.what, hint=error.hint)
                return

    async def _begin(self, dry_run: bool) -> ReloadView:
        if self._file is None:
            hint = "Start it with --config FILE."
            raise ConflictError("reload.no_file", "This host was started without a config file.", hint=hint)
        task = asyncio.get_running_loop().create_task(self._alone(self._file, dry_run), name="reload")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _alone(self, file: ConfigFile, dry_run: bool) -> ReloadView:
        async with self._one:
            began = time.monotonic()
            self._asked = self._asked and dry_run  # a dry run serves no signal
            try:
                plan, wanted = await self._plan(file)
            except ConfigError as error:
                if not dry_run:
                    log.error("config refused", file=str(file.path), code=error.code, what=error.what, hint=error.hint)
                    self._say("host.reload_failed", Outcome.REFUSED, {}, error.what)
                raise
            if dry_run:
                return ReloadView(Outcome.PLANNED, str(file.path), plan.shown(), time.monotonic() - began)
            return await self._act(file, plan, wanted, began)

    async def _plan(self, file: ConfigFile) -> tuple[ReloadPlan, Settings]:
        wanted = await asyncio.to_thread(file.read)
        needed_token(wanted)
        after = settled(self._declared, wanted)
        check_declared(after)
        running = await self._lobbies.running()
        plan = plan_reload(self._declared, wanted, running, time.time(), lobby_id)
        await self._check(plan, after)
        return plan, after

    async def _check(self, plan: ReloadPlan, after: Settings) -> None:
        """Look at what new lobbies and new sources name, as a create does. A file that is not there yet is no fault of
        a new lobby, as at the start; a lobby that shows something is not made to show nothing."""
        vet = Vetting(after, self._ports)
        for number, change in enumerate(plan.lobbies[: len(after.lobbies)]):
            if change.after is None or not {Step.ADDED, Step.SOURCE} & {*change.shown.steps}:
                continue
            try:
                await vet(change.after)
            except CallerError as error:
                if error.code == "source.file" and change.before is None:
                    continue
                raise ConfigError("config.invalid", f"lobbies.{number}.{error.what}", hint=error.hint) from None
        there = sum(change.after is not None for change in plan.lobbies)
        if plan.of(Step.ADDED) and there > after.limits.lobbies:
            what = f"lobbies: with those of callers there would be {there}; allowed are {after.limits.lobbies}"
            raise ConfigError("config.invalid", f"{what} (limits.lobbies).")

    async def _act(self, file: ConfigFile, plan: ReloadPlan, after: Settings, began: float) -> ReloadView:
        shown = plan.shown()
        for line in shown.lines():
            log.info("config", change=line)
        before = self._declared
        steps = Steps(plan, self._lobbies, before, after, self._put)
        outcome, why = Outcome.APPLIED, None
        if (
            after == before
            and not plan.kept_otherwise
            and not any(c.shown.step is not Step.UNTOUCHED for c in plan.lobbies)
        ):
            outcome = Outcome.UNCHANGED
        else:
            try:
                await steps.apply()
            except SteadycastError as error:
                outcome, why = Outcome.ROLLED_BACK, " ".join(filter(None, (error.what, error.why)))
                await steps.roll_back()
            except Exception:  # the edge: half a config is worse than any fault of ours
                log.exception("the config could not be applied")
                outcome, why = Outcome.ROLLED_BACK, "An error of the host itself; see its log."
                await steps.roll_back()
        took = time.monotonic() - began
        write = log.error if why else log.info
        write("config read", file=str(file.path), outcome=outcome.value, why=why, took_s=round(took, 3))
        name = "host.reload_failed" if why else "host.reloaded"
        self._say(name, outcome, dict(shown.counts()), why)
        return ReloadView(outcome, str(file.path), shown, took, why, tuple(steps.notes))

    def _put(self, settings: Settings) -> None:
        """These count from now on."""
        self._declared = settings
        now = self._current.now
        self._current.now = settings.model_copy(update={"port": now.port, "rtsp_port": now.rtsp_port})
        set_level(settings.log_level)
        self._lobbies.limits_changed()

    def _say(self, name: str, outcome: Outcome, counts: dict[str, int], why: str | None) -> None:
        self._events.publish("host", name, why=why, data={"outcome": outcome.value, **counts})
