"""The egress workers of a host: kept at their places, gone on with, and replaced so that viewers can choose again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Sequence

import structlog

from steadycast.config.current import HostSettings
from steadycast.config.tokens import TokenHash
from steadycast.errors import ConflictError, RefusedError
from steadycast.lobbies.egress import Egress
from steadycast.lobbies.egress_crew import EgressCrew
from steadycast.lobbies.egress_drains import REPLACED, Drains
from steadycast.lobbies.egress_listener import EgressListener
from steadycast.lobbies.egress_order import order_of
from steadycast.lobbies.egress_place import Place
from steadycast.lobbies.views import EgressCounts
from steadycast.model import RecycleCause
from steadycast.workers.messages.stock import EgressStock
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker

__all__ = ["REPLACED", "Egress", "EgressListener", "Egresses"]

log = structlog.get_logger("egress")

CHANGED = f"recycled: {RecycleCause.CONFIG.value}"


class Egresses:
    """`settings.egress.workers` places, each with an egress worker as long as the host lives, and spares for them.

    `restarts_total` counts workers that died and were started again, `recycled` those that were replaced, by cause.
    """

    def __init__(
        self, settings: HostSettings, supervisor: Supervisor, listening: socket.socket, token: TokenHash | None
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._crew = EgressCrew(supervisor, listening, lambda: order_of(settings, token), settings.egress.spares)
        self._changed = asyncio.Event()
        self._adopted: dict[Egress, EgressStock] = {}  # until they are sorted by `start`
        self._places: list[Place] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._recycling: set[asyncio.Task[None]] = set()
        self._drains = Drains(self._crew, settings)
        self.recycled: Counter[RecycleCause] = Counter()

    @property
    def restarts_total(self) -> int:
        """Workers that died and were started again."""
        return sum(place.restarts for place in self._places)

    def running(self) -> tuple[Egress, ...]:
        """The workers that take viewers now."""
        return tuple(place.egress for place in self._places if place.egress is not None)

    def draining(self) -> tuple[Egress, ...]:
        """Those that only keep the viewers that they have."""
        return self._drains.now()

    def counts(self) -> EgressCounts:
        """What there is now, and what was replaced."""
        recycled = {cause.value: count for cause, count in self.recycled.items()}
        return EgressCounts(len(self.running()), len(self.draining()), self._crew.spares, recycled)

    # --- start and end

    def adopt(self, adopted: Sequence[tuple[Worker, EgressStock]]) -> tuple[tuple[Egress, EgressStock], ...]:
        """Workers of a former control plane that `start` shall go on with. What they say is kept until then.

        Whoever knows their viewers counts them (`Egress.viewers`) before `start`: those that are drained end when they
        have none.
        """
        pairs = tuple((self._crew.adopt(worker), stock) for worker, stock in adopted)
        self._adopted.update(pairs)
        return pairs

    async def start(self, listener: EgressListener) -> None:
        """Start all; returns when the first takes viewers. Raises RefusedError when none does within its deadlines.

        Of the adopted, those with the order that would be given now stay at work, those without one are spares, and
        the others are drained.
        """
        self._crew.listener = listener
        for egress in self._sorted():
            self._drains.begin(egress, CHANGED)
        free = self._settings.egress.workers - len(self._places)
        await self._make_room(free)
        self._places += [Place(self._crew, self._settings, self._changed) for _ in range(free)]
        for number, place in enumerate(self._places):
            self._tasks.append(asyncio.create_task(place.keep(), name=f"egress {number}"))
        await self.pick(self._settings.workers.start_s + self._settings.workers.request_s)
        self._crew.keep_spares()

    def _sorted(self) -> list[Egress]:
        """Put the adopted where they belong; answers with those that must go, counted by cause."""
        going = []
        order, most = self._crew.order, self._settings.egress.workers
        for egress, stock in sorted(self._adopted.items(), key=lambda pair: -pair[0].viewers):
            self._crew.hear(egress)
            if stock.order is None:
                self._crew.keep(egress)
                continue
            egress.ordered(stock.order, stock.udp_port, egress.worker.age_s)
            if stock.draining:
                going.append(egress)
            elif stock.order == order and len(self._places) < most:
                self._places.append(Place(self._crew, self._settings, self._changed, egress))
            else:
                going.append(egress)
                self.recycled[RecycleCause.CONFIG] += 1
        self._adopted.clear()
        return going

    async def _make_room(self, wanted: int) -> None:
        """Each worker needs a port of the range: those that drain give theirs up where new ones find none."""
        first, last = self._settings.webrtc.udp_ports
        if first == 0:
            return
        taken = [e for e in (*self._drains.now(), *self.running()) if e.udp_port in range(first, last + 1)]
        short = len(taken) + wanted - (last - first + 1)
        giving = [egress for egress in self._drains.now() if egress in taken][: max(0, short)]
        await asyncio.gather(*(self._drains.hurry(egress) for egress in giving))

    async def pick(self, deadline: float) -> Egress:
        """The worker with the fewest viewers; waits for one up to `deadline` seconds. Raises RefusedError."""
        stopping = self._crew.stopping
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                while not self.running() and not stopping.is_set():
                    self._changed.clear()
                    await self._changed.wait()
        running = self.running()
        if not running or stopping.is_set():
            what = "No egress worker runs, so nothing can be watched."
            raise RefusedError("egress.none", what, hint="The host's log says why it does not start.", retry_after=2)
        return min(running, key=lambda egress: egress.viewers)

    async def close(self) -> None:
        """End all workers."""
        await self._crew.stop()
        self._changed.set()
        if self._recycling:
            await asyncio.wait(self._recycling)
        await asyncio.gather(*self._tasks, self._drains.close(), self._crew.end_spares("host ends"))

    async def leave(self) -> None:
        """Do nothing more about them: they go on without this control plane."""
        tasks = (*self._tasks, *self._recycling)
        for task in tasks:
            task.cancel()
        tasks += self._drains.leave()
        await self._crew.stop()
        self._changed.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- replacing

    async def recycle(self, egress: Egress, cause: RecycleCause) -> None:
        """Replace a worker: the new one takes viewers when this returns, and the old one is drained.

        Its viewers stay until they leave, at most `egress.drain_s`. Raises ConflictError where it is replaced already,
        and SteadycastError where no new one starts: then the old one goes on.
        """
        task = asyncio.create_task(self._recycle(egress, cause))  # not cut off half-way where the caller goes away
        self._recycling.add(task)
        task.add_done_callback(self._recycling.discard)
        await asyncio.shield(task)

    async def _recycle(self, egress: Egress, cause: RecycleCause) -> None:
        place = next((place for place in self._places if place.egress is egress), None)
        if place is None:
            raise ConflictError("egress.replaced", "This egress worker is replaced already, or gone.")
        old = await place.replace(egress)
        self.recycled[cause] += 1
        log.info("egress worker is replaced", pid=egress.worker.pid, cause=cause, viewers=egress.viewers)
        if old is not None:
            self._drains.begin(old, f"recycled: {cause.value}")
