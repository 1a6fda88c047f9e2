"""Looks at the host's own processes and devices, and acts on what leaks. Thin.

The looks, the judgement and the files are the work of one thread, so that nothing of it waits on the event loop; the
loop says what each process works on, and hears of changes of findings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from steadycast.config.current import HostSettings
from steadycast.errors import SteadycastError
from steadycast.lobbies.lobbies import Lobbies
from steadycast.model import Finding, FindingChange, FindingEvent, FindingState, ProbeOutcome
from steadycast.tracking.history.history import History
from steadycast.tracking.history.room import HistoryCounts
from steadycast.tracking.leaks.detection import Statistics
from steadycast.tracking.probes.pace import Steps
from steadycast.tracking.probes.sampler import Sampled, Sampler, SamplerStatistics
from steadycast.upkeep.acting import Act, Notify, Recycle, acts
from steadycast.upkeep.books import Books
from steadycast.upkeep.logs import Said
from steadycast.upkeep.owners import Board, Tallies, is_of_lobby, lobby_of
from steadycast.upkeep.probing import Prober
from steadycast.upkeep.views import Watched, finding_view, watched_of
from steadycast.upkeep.webhook import Webhook
from steadycast.workers.lasting import lasting

log = structlog.get_logger("upkeep")

CLOSE_S = 5.0
QUIET = frozenset({FindingChange.HEALED, FindingChange.CLOSED})


@dataclass(frozen=True, slots=True)
class UpkeepStatistics:
    """How it goes; counts since the start. `findings` that are open by state; `notes` are for a person."""

    sampler: SamplerStatistics
    judged: Statistics
    history: HistoryCounts
    findings: dict[str, int]
    changes: dict[str, int]
    webhook_told: int
    webhook_lost: int
    recycled: int
    notes: tuple[str, ...]


class Upkeep:
    """Of one host. `start` it when the lobbies are there, `close` it before they end."""

    def __init__(self, settings: HostSettings, lobbies: Lobbies, state: Path, logs: Path, history: Path) -> None:
        """As `Books`. Raises ConfigError."""
        self._settings = settings
        self._lobbies = lobbies
        self._books = Books(settings.tracking, settings.findings, state, logs, history)
        self._board = Board(Tallies.restored(self._books.before.finished))
        self._sampler = Sampler(steps=Steps(settings.tracking.step_s, settings.tracking.idle_step_s))
        self._prober = Prober(lobbies, self._board)
        self._webhook = Webhook()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._telling: asyncio.Task[None] | None = None
        self._changes = {change.value: 0 for change in FindingChange}
        self._recycled = 0
        self._notes: tuple[str, ...] = ()
        self._away: set[str] = set()  # roles that nobody has now

    @property
    def history(self) -> History:
        """What was measured."""
        return self._books.history

    def start(self) -> None:
        """Look from now on."""
        self._loop = asyncio.get_running_loop()
        self._lobbies.hear_residue(self._books.stayed)
        self._tell_board()
        self._telling = lasting(self._tell_on(), "upkeep")
        self._sampler.start(self._took)

    async def close(self) -> None:
        """Look no more; what was seen and learned is written."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait({self._telling})
        await self._prober.close()
        await self._webhook.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.to_thread(self._end)

    def findings(self) -> tuple[Finding, ...]:
        """All that are kept, also those that are over."""
        return self._books.findings()

    def watched(self) -> Watched:
        """How much is looked at and what is open, in short: cheap enough for each look at the host's health."""
        series = self._books.statistics().series
        return watched_of(self._books.findings(), self._sampler.statistics().processes, series)

    def statistics(self) -> UpkeepStatistics:
        """How it goes."""
        found = self._books.findings()
        still = (FindingState.SUSPECT, FindingState.CONFIRMED)
        return UpkeepStatistics(
            self._sampler.statistics(),
            self._books.statistics(),
            self._books.history.statistics(),
            {state.value: sum(one.state is state and one.closed is None for one in found) for state in still},
            dict(self._changes),
            self._webhook.told,
            self._webhook.lost,
            self._recycled,
            self._notes,
        )

    # --- on the event loop

    async def _tell_on(self) -> None:
        while True:
            await asyncio.sleep(self._settings.tracking.step_s)
            self._tell_board()
            for finding in self._books.suspects():
                self._prober.probe(finding, self._probed)

    def _tell_board(self) -> None:
        self._books.note_devices(self._lobbies.devices())
        targets, gone = self._board.put(self._lobbies.held())
        for role in gone:
            self._sampler.forget(role)
        self._away = (self._away | set(gone)) - {target.role for target in targets}
        if self._away:
            self._forget_deleted()
        for target in targets:
            self._sampler.watch(target)

    def _forget_deleted(self) -> None:
        """A worker that is away may come back in another life; one of a lobby that was deleted will not."""
        ids = self._lobbies.lobby_ids()
        for role in [role for role in self._away if is_of_lobby(role) and lobby_of(role) not in ids]:
            self._away.discard(role)
            self._heard(self._books.forget(role), ())

    def _probed(self, finding: str, outcome: ProbeOutcome) -> None:
        self._heard(self._books.probed(finding, outcome), ())

    def _heard(self, events: Sequence[FindingEvent], said: Sequence[Said]) -> None:
        for one in said:
            self._tell_words(one)
        for event in events:
            self._tell(event)
            for act in acts(event, self._board.worker, self._settings.findings):
                self._do(act, event)

    def _tell_words(self, said: Said) -> None:
        """What the log of a worker means."""
        found = said.diagnosis
        log.warning("worker.diagnosis", role=said.role, what=found.what, why=found.why, do=found.do)
        told = {"role": said.role, "signature": found.signature, "remedy": found.remedy.value, "sure": found.sure}
        self._lobbies.events.publish("worker", "worker.diagnosis", why=f"{found.what}: {found.why}", data=told)

    def _tell(self, event: FindingEvent) -> None:
        finding, change = event.finding, event.change
        self._changes[change.value] += 1
        say = log.info if change in QUIET or finding.state is FindingState.SUSPECT else log.warning
        say(f"finding.{change}", finding=finding.id, state=finding.state.value, what=finding.headline)
        data = {"finding": finding.id, "state": finding.state.value, "role": finding.owner.role}
        lobby, why = finding.owner.about.lobby, finding.why_closed or finding.headline
        self._lobbies.events.publish("finding", f"finding.{change}", lobby=lobby, why=why, data=data)

    def _do(self, act: Act, event: FindingEvent) -> None:
        finding = event.finding
        if isinstance(act, Notify):
            settings = self._settings.findings
            done = next((one.actions for one in self._books.findings() if one.id == finding.id), finding.actions)
            body = {"change": event.change.value, "finding": finding_view(replace(finding, actions=done))}
            self._webhook.tell(settings.webhook or "", settings.webhook_s, body)
        elif isinstance(act, Recycle):
            result = "it is replaced when it is its turn"
            try:
                self._lobbies.recycle_for(act.worker, finding.id, act.why)
                self._recycled += 1
            except SteadycastError as error:
                result = error.what
            self._books.acted(finding.id, f"recycle {act.worker}", result)
        else:
            closed = self._lobbies.refuse_device(act.device, act.why)
            result = "nothing new is begun there" if closed else "it refuses already, or is none of ours"
            self._books.acted(finding.id, f"refuse new work on {act.device}", result)

    # --- in the sampler's thread

    def _took(self, sampled: Sampled) -> None:
        events, said = self._books.take(sampled, self._board.workers())
        self._notes = sampled.notes
        self._books.write(self._board.saved)
        if (events or said) and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: the host ended
                self._loop.call_soon_threadsafe(self._heard, events, said)

    def _end(self) -> None:
        self._sampler.stop()
        self._books.write(self._board.saved, at_once=True)
        self._books.history.close()
