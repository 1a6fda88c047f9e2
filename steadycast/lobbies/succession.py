"""Takes over what a former control plane left: lobbies with their workers, viewers, and all that nobody wants ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from steadycast.errors import WorkerError
from steadycast.lobbies.adopting import KeptEgress, KeptLobby, Plan, Wanted, plan
from steadycast.lobbies.egress import Egress
from steadycast.lobbies.egresses import Egresses
from steadycast.lobbies.estate import Estate
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.quietly import quietly
from steadycast.lobbies.reception import Reception
from steadycast.lobbies.rules import command_of
from steadycast.lobbies.stage import Display, Stage
from steadycast.lobbies.staging import StagingParts
from steadycast.lobbies.survival_views import AdoptionView
from steadycast.model import DesktopSource
from steadycast.workers.adoption import Adoption
from steadycast.workers.messages.stock import DisplayStock, EgressStock, LobbyStock, Stock
from steadycast.workers.worker import Worker

log = structlog.get_logger("host")


@dataclass(frozen=True, slots=True)
class _Found:
    """The workers that were found, by id, and what they hold."""

    workers: dict[str, Worker]
    lobbies: dict[str, LobbyStock]
    displays: dict[str, DisplayStock]
    egresses: dict[str, EgressStock]


class Succession:
    """`take` first, once all lobbies are known; `finish` when the egress workers are heard."""

    def __init__(self, parts: StagingParts, egresses: Egresses, reception: Reception, adoption: Adoption) -> None:
        self._parts = parts
        self._all_egresses = egresses
        self._reception = reception
        self._adoption = adoption
        self._found = _sorted(adoption)
        self._egresses: dict[str, Egress] = {}
        self._estates: list[Estate] = []
        self._plan = Plan()
        self._took_s = 0.0

    def take(self, lobbies: Sequence[Lobby]) -> None:
        """Begin the lives of these lobbies, with what is there of each. Nothing comes between: nothing here waits."""
        began, found = time.monotonic(), self._found
        stocks: dict[str, Stock] = {**found.lobbies, **found.displays, **found.egresses}
        self._plan = plan([self._wanted(lobby) for lobby in lobbies], stocks)
        pairs = [(found.workers[id], stock) for id, stock in found.egresses.items()]
        self._egresses = {egress.worker.id: egress for egress, _ in self._all_egresses.adopt(pairs)}
        for id, cause in self._plan.ended.items():
            found.workers[id].begin_end(cause)
        for id in self._plan.spares:
            if id in found.lobbies:
                self._keep_spare(found.workers[id])
        for lobby in lobbies:
            self._begin(lobby, self._plan.lobbies[lobby.id])
        of = {lobby.id: lobby for lobby in lobbies}
        for hold in self._plan.holds:
            self._reception.adopt(hold, of[hold.lobby], self._egresses[hold.egress])
        for estate in self._estates:
            estate.settle()
        self._took_s = time.monotonic() - began

    def finish(self) -> None:
        """Begin what takes its time: what somebody lacks is brought, what nobody wants is ended."""
        for estate in self._estates:
            estate.finish()
        for id, kept in self._plan.egresses.items():
            if kept.kick or kept.close:
                self._reception.spawn(_clear(self._egresses[id], kept))

    @property
    def view(self) -> AdoptionView | None:
        """What was found; None where there was nothing."""
        adoption, ended = self._adoption, self._plan.ended
        if not (adoption.adopted or adoption.refused or adoption.swept):
            return None
        kept = Counter(worker.kind.value for id, worker in self._found.workers.items() if id not in ended)
        made = [one for lobby in self._plan.lobbies.values() for one in lobby.tracks if one.instance is not None]
        viewers = sum(len(hold.viewers) for hold in self._plan.holds)
        counted = {kind: kept[kind] for kind in ("lobby", "display", "egress")}
        took_s = adoption.took_s + self._took_s
        gone = len(adoption.refused) + len(ended)
        return AdoptionView(time.time(), counted, viewers, len(made), gone, tuple(adoption.swept), took_s)

    # --- inside

    def _wanted(self, lobby: Lobby) -> Wanted:
        source, settings, command = lobby.request.source, self._parts.settings, None
        if isinstance(source, DesktopSource) and source.application in (None, *settings.sources.applications):
            command = command_of(source, settings)
        return Wanted(lobby.id, lobby.request, command)

    def _begin(self, lobby: Lobby, kept: KeptLobby) -> None:
        source, supervisor, settings = lobby.request.source, self._parts.supervisor, self._parts.settings
        workers = self._found.workers
        display: Display | None = None
        stage: Stage | None = None
        if kept.display is not None:
            display = Display(lobby.id, source, supervisor, settings)
            display.adopt(workers[kept.display], self._found.displays[kept.display])
        if kept.stage is not None:
            stage = Stage(lobby.id, source, supervisor, settings)
            stage.adopt(workers[kept.stage], self._found.lobbies[kept.stage])
        self._estates.append(lobby.feeds.inherit(kept, stage, self._egresses))
        for holder in (display, stage):
            if holder is not None:
                try:
                    holder.hear()
                except WorkerError as error:  # it is being ended, and lost like any other
                    log.error("a worker is not gone on with", pid=holder.pid, what=error.what, why=error.why)
        lobby.adopt(display, stage)

    def _keep_spare(self, worker: Worker) -> None:
        try:
            self._parts.supervisor.keep_spare(worker)
        except WorkerError as error:
            log.error("a spare is not kept", pid=worker.pid, what=error.what, why=error.why)


def _sorted(adoption: Adoption) -> _Found:
    found = _Found({}, {}, {}, {})
    for one in adoption.adopted:
        found.workers[one.worker.id] = one.worker
        match one.stock:
            case LobbyStock():
                found.lobbies[one.worker.id] = one.stock
            case DisplayStock():
                found.displays[one.worker.id] = one.stock
            case EgressStock():
                found.egresses[one.worker.id] = one.stock
    return found


async def _clear(egress: Egress, kept: KeptEgress) -> None:
    for viewer, why in kept.kick:
        await quietly(egress.kick(viewer, why))
    for key in kept.close:
        await quietly(egress.close_track(key))
