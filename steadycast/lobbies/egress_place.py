"""A place for an egress worker: one is kept at work there, started again when it died, replaced when asked."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import Any

import structlog

from steadycast.config.current import HostSettings
from steadycast.errors import ConflictError, RefusedError, SteadycastError
from steadycast.lobbies import loss
from steadycast.lobbies.egress import Egress
from steadycast.lobbies.egress_crew import GONE, EgressCrew
from steadycast.lobbies.retry import Loss, LossKind, Past, RetryPolicy, after_loss

log = structlog.get_logger("egress")

LOOP_S = 4.0  # between two that die again and again: so soon viewers have a picture even then
LOOP_HINT = "They die again and again. Its log is in the receipt; a viewer that comes back each time may be the cause."


class Place:
    """`changed` is set whenever `egress`, the worker that takes viewers here now, became another one.

    Where one died a spare takes its place at once, or another is started, as soon as a lobby worker would be but after
    LOOP_S at the latest, and each LOOP_S once the budget of restarts is used up: without any nobody sees anything.
    Only restarts within the window count: a worker that took its order has proved what a lobby proves by a keyframe.
    """

    def __init__(
        self, crew: EgressCrew, settings: HostSettings, changed: asyncio.Event, egress: Egress | None = None
    ) -> None:
        self.egress = egress
        self.restarts = 0  # after crashes
        self._crew = crew
        self._settings = settings
        self._changed = changed
        self._turn = asyncio.Lock()  # one at a time starts a worker for this place
        self._replaced = asyncio.Event()

    async def keep(self) -> None:
        """Until the crew stops."""
        past = Past()
        while not self._crew.stopping.is_set():
            try:
                why = await self._run()
            except Exception:  # the edge of the room: whatever it is, the host needs an egress worker
                log.exception("egress failed")
                why = Loss(LossKind.WORKER, "host.fault", "an error of the host itself")
            if self._crew.ending:
                return
            past = await self._pause(why, past)

    async def replace(self, egress: Egress) -> Egress | None:
        """Start another worker, which takes viewers in place of this one; answers with the one to be drained.

        None: it died meanwhile. Raises ConflictError where it is not at this place (any more), and SteadycastError
        where no other one starts: then all is as it was.
        """
        async with self._turn:
            if self.egress is not egress:
                raise ConflictError("egress.replaced", "This egress worker is replaced already, or gone.")
            new = await self._crew.open()
            if self._crew.stopping.is_set():
                await new.worker.end("host ends")
                raise RefusedError("host.closing", "The host ends.", retry_after=10)
            old, self.egress = self.egress, new
            self._replaced.set()
            self._changed.set()
            return old

    async def _run(self) -> Loss:
        """One worker after the other, until there is none."""
        async with self._turn:
            if self.egress is None:
                try:
                    self.egress = await self._crew.open()
                except SteadycastError as error:
                    return loss.of_worker_error(error)
            self._changed.set()
        egress = await self._watch()
        receipt, ran_s = egress.worker.receipt, time.monotonic() - egress.since
        self._crew.listener.egress_gone(egress, GONE)
        await egress.worker.end("host ends")
        return loss.STOPPING if receipt is None else loss.of_worker(receipt, ran_s)

    async def _watch(self) -> Egress:
        """Wait until the worker of this place is gone, whichever that is then, or the crew stops."""
        stopping = asyncio.ensure_future(self._crew.stopping.wait())
        try:
            while True:
                self._replaced.clear()
                egress = self.egress
                assert egress is not None
                replaced = asyncio.ensure_future(self._replaced.wait())
                waiting: set[asyncio.Future[Any]] = {egress.worker.gone, stopping, replaced}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                replaced.cancel()
                if self.egress is egress:
                    self.egress = None
                    return egress
        finally:
            stopping.cancel()

    async def _pause(self, why: Loss, past: Past) -> Past:
        workers = self._settings.workers
        policy = RetryPolicy(self._settings.sources.rtsp_backoff_s, workers.restarts, workers.restart_window_s)
        now = time.monotonic()
        if why.streamed_s > 0:
            past = past.proved(now)
        retry = after_loss(why, past, policy, now, random.random())
        if retry.at is None:
            wait, hint = LOOP_S, LOOP_HINT
        else:  # nobody sees anything meanwhile: a spare begins at once
            wait, hint = 0.0 if self._crew.spares else min(max(0.0, retry.at - now), LOOP_S), None
        log.error("egress worker lost", what=why.what, why=why.why, again_in_s=round(wait, 1), hint=hint)
        self.restarts += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._crew.stopping.wait(), wait)
        return retry.past
