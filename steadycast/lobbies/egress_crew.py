"""Starts egress workers: from spares, which are processes that only lack their order, or anew."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import structlog

from steadycast.errors import RefusedError, SteadycastError, WorkerError
from steadycast.lobbies.egress import Egress
from steadycast.lobbies.egress_listener import EgressListener, pass_on
from steadycast.lobbies.loss import hang_of
from steadycast.model import Receipt, WorkerKind
from steadycast.workers.channel import Descriptors
from steadycast.workers.messages import ConfigureEgress, RtspDescribe
from steadycast.workers.spares import Spares
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker

log = structlog.get_logger("egress")

GONE = "the egress worker is gone"
SURPLUS = "more spares than wanted"


class EgressCrew:
    """Egress workers by their processes, spares among them. `listener` hears all of them.

    `listening` is the RTSP socket that each gets a copy of; `order` says what each is told now.
    """

    def __init__(
        self, supervisor: Supervisor, listening: socket.socket, order: Callable[[], ConfigureEgress], spares: int
    ) -> None:
        self.listener: EgressListener
        self._supervisor = supervisor
        self._listening = listening
        self._order = order
        self._known: dict[str, Egress] = {}
        self._spares = Spares(spares, self._start_spare)
        supervisor.pools.add("spare egress workers", self._spares.statistics, self._spares.press)
        self.stopping = asyncio.Event()

    @property
    def ending(self) -> bool:
        """Whether nothing is started any more."""
        return self.stopping.is_set() or self._supervisor.closing

    @property
    def spares(self) -> int:
        """How many are started and have no order."""
        return len(self._spares)

    @property
    def order(self) -> ConfigureEgress:
        """What a worker would be told now."""
        return self._order()

    def keep_spares(self) -> None:
        """Start spares from now on."""
        self._spares.begin()

    # --- workers of a former control plane

    def adopt(self, worker: Worker) -> Egress:
        """One that was found; it is heard once `hear` is called."""
        return self._begun(self._new(), worker)

    def hear(self, egress: Egress) -> None:
        """From now on; first of all what it said since it was found."""
        worker = egress.worker
        worker.take(None, lambda m, fds: self._heard(egress, m, fds), lambda m, fds: self._asked(egress, m, fds))

    def keep(self, egress: Egress) -> None:
        """Put one without an order among the spares; one more than wanted is ended."""
        if not self._spares.keep(egress.worker):
            egress.worker.begin_end(SURPLUS)

    # --- starting

    async def open(self) -> Egress:
        """One that takes viewers. Raises SteadycastError; then nothing of it is left."""
        spare = self._spares.take()
        if spare is not None:
            egress = self._known[spare.id]
            try:
                return await self._configure(egress)
            except SteadycastError as error:
                if not isinstance(error, WorkerError):  # no matter of this process
                    raise
                log.warning("a spare does not take its order", pid=spare.pid, what=error.what, why=error.why)
        egress = self._known[(await self._start()).id]
        return await self._configure(egress)

    async def _configure(self, egress: Egress) -> Egress:
        order = self._order()
        try:
            await egress.configure(order, self._listening.dup().detach())
        except SteadycastError as error:
            await egress.worker.end("it does not take its order", hang_of(error))
            raise
        log.info("egress worker takes viewers", pid=egress.worker.pid)
        return egress

    async def _start(self) -> Worker:
        egress = self._new()
        worker = await self._supervisor.start(
            WorkerKind.EGRESS,
            on_message=lambda message, fds: self._heard(egress, message, fds),
            on_request=lambda message, fds: self._asked(egress, message, fds),
        )
        self._begun(egress, worker)
        return worker

    async def _start_spare(self) -> Worker:
        return await self._start()

    def _new(self) -> Egress:
        return Egress(self._order().request_s)

    def _begun(self, egress: Egress, worker: Worker) -> Egress:
        egress.begin(worker)
        self._known[worker.id] = egress
        worker.gone.add_done_callback(lambda gone: self._gone(worker, gone))
        return egress

    def _gone(self, worker: Worker, gone: asyncio.Future[Receipt]) -> None:
        self._known.pop(worker.id, None)
        if not gone.cancelled() and not self.stopping.is_set():
            self._spares.lost(worker)

    # --- what they say

    def _heard(self, egress: Egress, message: Any, fds: Descriptors) -> None:
        pass_on(self.listener, egress, message)

    async def _asked(self, egress: Egress, message: Any, fds: Descriptors) -> dict[str, Any]:
        if self.stopping.is_set() or not isinstance(message, RtspDescribe):
            raise RefusedError("egress.none", "The egress worker is about to end.", retry_after=2)
        return await self.listener.describe(egress, message)

    # --- the end

    async def stop(self) -> None:
        """Start no more."""
        self.stopping.set()
        await self._spares.close()

    async def end_spares(self, cause: str) -> None:
        """End those that have no order."""
        spares = [egress for egress in self._known.values() if egress.order is None and egress.works]
        await asyncio.gather(*(egress.worker.end(cause) for egress in spares))
