"""Brings a host from one config to another, step by step, and back where a lobby does not come through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from steadycast.config.settings import Settings
from steadycast.errors import NotFoundError, SteadycastError, WorkerError
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.reload_views import Step
from steadycast.lobbies.reloading import LobbyChange, ReloadPlan

log = structlog.get_logger("reload")

AT_ONCE = 4  # lobbies that change at the same time: each may start an encoder beside its old one
Undo = Callable[[], Awaitable[None]]


class Steps:
    """One plan. `apply` it; where that raises, `roll_back`. `put` makes settings those that count."""

    def __init__(
        self, plan: ReloadPlan, lobbies: Lobbies, before: Settings, after: Settings, put: Callable[[Settings], None]
    ) -> None:
        self._plan = plan
        self._lobbies = lobbies
        self._before = before
        self._after = after
        self._put = put
        self._undo: list[tuple[str, Undo]] = []
        self._failed = False
        self.notes: list[str] = []

    async def apply(self) -> None:
        """Settings first, then lobbies: those that go, those that change, those that come. Raises SteadycastError as
        soon as one does not come through, with the lobby's name in it; any other error is a fault of the host."""
        self._put(self._after)
        await self._each(self._plan.of(Step.REMOVED), self._remove)
        await self._each(self._plan.touched, self._change)
        for change in self._plan.kept_otherwise:
            await self._keep(change)
        added = self._plan.of(Step.ADDED)
        await self._each(added, self._add)
        await self._each(added, self._started)

    async def roll_back(self) -> None:
        """What was before, as far as it can be had; what cannot is in `notes`. A lobby that ended comes back with its
        id and key."""
        self._put(self._before)
        for name, undo in reversed(self._undo):
            try:
                await undo()
            except NotFoundError:
                continue  # a caller was quicker
            except SteadycastError as error:
                log.error("not rolled back", lobby=name, code=error.code, what=error.what, why=error.why)
                self.notes.append(f"lobby {name} is not as it was: {error.what}")
            except Exception:  # the others go back all the same
                log.exception("not rolled back", lobby=name)
                self.notes.append(f"lobby {name} is not as it was: an error of the host itself; see its log")

    # --- inside

    async def _each(self, changes: Sequence[LobbyChange], act: Callable[[LobbyChange], Awaitable[None]]) -> None:
        """Some at a time; after a failure those that run come to their end, and no other begins."""
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(change: LobbyChange) -> None:
            async with limit:
                if self._failed:
                    return
                try:
                    await act(change)
                except BaseException as error:
                    self._failed = True
                    if not isinstance(error, SteadycastError):
                        raise
                    named = WorkerError(error.code, f"lobby {_name(change)}: {error.what}", why=error.why)
                    raise named from error

        for result in await asyncio.gather(*(one(change) for change in changes), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _remove(self, change: LobbyChange) -> None:
        before = change.before
        assert before is not None

        async def bring_back() -> None:
            self._note(await self._lobbies.declare(before.stored(), before.request))

        undo = _name(change), bring_back
        self._undo.append(undo)
        try:
            self._note(await self._lobbies.undeclare(before.id, "the config has it no more"))
        except NotFoundError:  # a caller deleted it: it does not come back
            self._undo.remove(undo)

    async def _change(self, change: LobbyChange) -> None:
        before, after, stored = change.before, change.after, change.stored
        assert before is not None and after is not None and stored is not None
        streamed = self._lobbies.streams(before.id)

        async def change_back() -> None:
            await self._lobbies.redeclare(before.stored(), before.request, anew=True)
            self._note(await self._lobbies.keep(before.stored()))

        self._undo.append((_name(change), change_back))
        try:
            await self._lobbies.redeclare(stored, after)
            if streamed:
                await self._lobbies.shows(before.id)
        except NotFoundError:  # a caller deleted it meanwhile
            self.notes.append(f"lobby {_name(change)} was deleted before it could change")
            return
        self._note(await self._lobbies.keep(stored))

    async def _keep(self, change: LobbyChange) -> None:
        before, stored = change.before, change.stored
        assert before is not None and stored is not None

        async def keep_as_before() -> None:
            self._note(await self._lobbies.keep(before.stored()))

        self._undo.append((_name(change), keep_as_before))
        self._note(await self._lobbies.keep(stored))

    async def _add(self, change: LobbyChange) -> None:
        stored, after = change.stored, change.after
        assert stored is not None and after is not None

        async def take_away() -> None:
            self._note(await self._lobbies.undeclare(stored.id, "the config is rolled back"))

        self._undo.append((_name(change), take_away))
        self._note(await self._lobbies.declare(stored, after))

    async def _started(self, change: LobbyChange) -> None:
        """A camera that is away is no failure: it may come. A lobby about which nothing is known is one."""
        assert change.stored is not None
        workers = self._after.workers
        seconds = 2 * workers.start_s + 2 * workers.request_s + workers.source_s  # display and lobby worker, its order
        if not await self._lobbies.left_starting(change.stored.id, seconds):
            raise WorkerError("lobby.not_streaming", f"it still starts after {seconds:g} s.")

    def _note(self, problem: str | None) -> None:
        if problem is not None:
            self.notes.append(problem)


def _name(change: LobbyChange) -> str:
    shown = change.shown
    return shown.key or shown.id or shown.name
