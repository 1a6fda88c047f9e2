"""The egress workers: started, configured, started again when they died. What they say is passed on to a listener."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from typing import Any, Protocol

import structlog

from steadycast.config.current import HostSettings
from steadycast.config.tokens import REALM, TokenHash
from steadycast.errors import RefusedError, SteadycastError
from steadycast.lobbies import loss
from steadycast.lobbies.ids import tag
from steadycast.lobbies.retry import Loss, LossKind, Past, RetryPolicy, after_loss
from steadycast.model import Receipt, TrackInfo, WorkerKind
from steadycast.workers.channel import Descriptors
from steadycast.workers.messages import (
    BusLost,
    BusTaken,
    CloseTrack,
    ConfigureEgress,
    IceServerInfo,
    KeyframeWanted,
    KickViewer,
    OpenBus,
    RtspDescribe,
    RtspGone,
    ViewerConnected,
    ViewerGone,
    ViewerJoined,
    WhepOffer,
    WhepPatch,
)
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker

log = structlog.get_logger("egress")


class EgressListener(Protocol):
    """Who hears what egress workers say. `describe` may wait; nothing else blocks."""

    async def describe(self, egress: Egress, message: RtspDescribe) -> dict[str, Any]:
        """An RTSP client wants a path."""

    def hold_gone(self, egress: Egress, hold: str) -> None:
        """An RTSP connection is gone."""

    def joined(self, egress: Egress, message: ViewerJoined) -> None:
        """An RTSP client plays."""

    def connected(self, message: ViewerConnected) -> None:
        """A WHEP viewer finished its handshake."""

    def viewer_gone(self, message: ViewerGone) -> None:
        """A viewer ended."""

    def keyframe_wanted(self, track: str) -> None:
        """A viewer of this track needs a keyframe."""

    def bus_taken(self, track: str, bus: str) -> None:
        """A track goes on with this bus."""

    def bus_lost(self, egress: Egress, track: str) -> None:
        """A track has no bus any more."""

    def egress_gone(self, egress: Egress, why: str) -> None:
        """The worker is gone, and all its viewers and buses with it."""


class Egress:
    """One egress worker that is configured and takes viewers."""

    def __init__(self, request_s: float) -> None:
        self.id = tag()
        self.viewers = 0  # kept by the viewers' registry, for choosing the least busy worker
        self._request_s = request_s
        self._worker: Worker | None = None

    @property
    def worker(self) -> Worker:
        """Its process; raises RefusedError before it was started."""
        if self._worker is None:
            raise RefusedError("egress.none", "The egress worker is not started.", retry_after=2)
        return self._worker

    @property
    def works(self) -> bool:
        """Whether orders make sense: its process was started, and is neither gone nor about to be."""
        return self._worker is not None and self._worker.ready

    def begin(self, worker: Worker) -> None:
        """Its process was started."""
        self._worker = worker

    def viewer_statistics(self, viewer: str) -> dict[str, Any]:
        """Counters of a viewer from the worker's last sign of life; empty where it has none."""
        viewers = {} if self._worker is None else self._worker.statistics.get("viewers", {})
        return dict(viewers.get(viewer, {})) if isinstance(viewers, dict) else {}

    async def open_bus(self, track: str, epoch: str, info: TrackInfo, bus: str, descriptor: int) -> None:
        """Read a track from a socket, which belongs to this call; `bus` is its name."""
        await self.worker.request(OpenBus(track, epoch, info, bus), (descriptor,), deadline=self._request_s)

    async def close_track(self, track: str) -> None:
        """Forget a track."""
        await self.worker.request(CloseTrack(track), deadline=self._request_s)

    async def offer(self, viewer: str, tracks: tuple[str, ...], sdp: str) -> str:
        """Answer an offer."""
        body = await self.worker.request(WhepOffer(viewer, tracks, sdp), deadline=self._request_s)
        return str(body["answer"])

    async def patch(self, viewer: str, fragment: str) -> str | None:
        """Candidates (None), or an ICE restart with its answer."""
        body = await self.worker.request(WhepPatch(viewer, fragment), deadline=self._request_s)
        return body.get("fragment")

    async def kick(self, viewer: str, reason: str) -> None:
        """End a viewer."""
        await self.worker.request(KickViewer(viewer, reason), deadline=self._request_s)


class Egresses:
    """`settings.egress.workers` places, each with an egress worker as long as the host lives.

    A worker that died is started again as a lobby worker is; once its budget of restarts is used up, once a window.
    """

    def __init__(
        self, settings: HostSettings, supervisor: Supervisor, listening: socket.socket, token: TokenHash | None
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._listening = listening
        self._token = token
        self._running: list[Egress] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self.restarts_total = 0

    def running(self) -> tuple[Egress, ...]:
        """The workers that take viewers now."""
        return tuple(self._running)

    async def start(self, listener: EgressListener) -> None:
        """Start all; returns when the first takes viewers. Raises RefusedError when none does within its deadlines."""
        self._listener = listener
        for number in range(self._settings.egress.workers):
            self._tasks.append(asyncio.create_task(self._keep(), name=f"egress {number}"))
        await self.pick(self._settings.workers.start_s + self._settings.workers.request_s)

    async def pick(self, deadline: float) -> Egress:
        """The worker with the fewest viewers; waits for one up to `deadline` seconds. Raises RefusedError."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                while not self._running and not self._stopping.is_set():
                    self._changed.clear()
                    await self._changed.wait()
        if not self._running or self._stopping.is_set():
            what = "No egress worker runs, so nothing can be watched."
            raise RefusedError("egress.none", what, hint="The host's log says why it does not start.", retry_after=2)
        return min(self._running, key=lambda egress: egress.viewers)

    async def close(self) -> None:
        """End all workers."""
        self._stopping.set()
        self._changed.set()
        await asyncio.gather(*self._tasks)

    async def _keep(self) -> None:
        workers = self._settings.workers
        policy = RetryPolicy(self._settings.sources.rtsp_backoff_s, workers.restarts, workers.restart_window_s)
        past = Past()
        while not self._stopping.is_set():
            try:
                why = await self._run()
            except Exception:  # the edge of the room: whatever it is, the host needs an egress worker
                log.exception("egress failed")
                why = Loss(LossKind.WORKER, "host.fault", "an error of the host itself")
            if self._stopping.is_set() or self._supervisor.closing:
                return
            retry = after_loss(why, past, policy, time.monotonic(), random.random())
            past = retry.past
            wait = workers.restart_window_s if retry.at is None else max(0.0, retry.at - time.monotonic())
            log.error("egress worker lost", what=why.what, why=why.why, again_in_s=round(wait, 1))
            self.restarts_total += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    async def _run(self) -> Loss:
        """One worker from start to gone."""
        egress = Egress(self._settings.workers.request_s)
        try:
            worker = await self._supervisor.start(
                WorkerKind.EGRESS,
                on_message=lambda message, fds: self._heard(egress, message, fds),
                on_request=lambda message, fds: self._asked(egress, message, fds),
            )
        except SteadycastError as error:
            return loss.of_worker_error(error)
        egress.begin(worker)
        try:
            return await self._serve(egress, worker)
        finally:
            await worker.end("host ends" if self._stopping.is_set() else "egress worker is replaced")

    async def _serve(self, egress: Egress, worker: Worker) -> Loss:
        started = time.monotonic()
        try:
            listening = self._listening.dup()
            await worker.request(self._order(), (listening.detach(),), deadline=self._settings.workers.request_s)
            log.info("egress worker takes viewers", pid=worker.pid)
            self._running.append(egress)
            self._changed.set()
            receipt = await self._gone_or_stopping(worker)
        except SteadycastError as error:
            return loss.of_worker_error(error)
        finally:
            if egress in self._running:
                self._running.remove(egress)
            self._listener.egress_gone(egress, "the egress worker is gone")
        return loss.of_worker(receipt, time.monotonic() - started) if receipt else loss.STOPPING

    async def _gone_or_stopping(self, worker: Worker) -> Receipt | None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            waiting: set[asyncio.Future[Any]] = {worker.gone, stopping}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        return worker.receipt

    def _order(self) -> ConfigureEgress:
        settings, egress = self._settings, self._settings.egress
        servers = tuple(
            IceServerInfo(s.url, s.username, s.credential.get_secret_value() if s.credential else None)
            for s in settings.webrtc.ice_servers
        )
        return ConfigureEgress(
            host=settings.host,
            udp_ports=settings.webrtc.udp_ports,
            public_address=settings.webrtc.public_address,
            ice_servers=servers,
            digest=self._token.digest() if self._token else {},
            realm=REALM,
            handshake_s=settings.webrtc.handshake_s,
            viewer_budget_bytes=egress.viewer_budget_bytes,
            viewer_stalled_s=egress.viewer_stalled_s,
            viewer_silence_s=egress.viewer_silence_s,
            history_bytes=egress.history_bytes,
            gop_bytes=egress.gop_bytes,
            rtsp_connections=settings.limits.rtsp_connections,
            request_s=settings.workers.request_s,
        )

    async def _asked(self, egress: Egress, message: Any, fds: Descriptors) -> dict[str, Any]:
        if self._stopping.is_set() or not isinstance(message, RtspDescribe):
            raise RefusedError("egress.none", "The egress worker is about to end.", retry_after=2)
        return await self._listener.describe(egress, message)

    def _heard(self, egress: Egress, message: Any, fds: Descriptors) -> None:
        match message:
            case KeyframeWanted():
                self._listener.keyframe_wanted(message.track)
            case BusTaken():
                self._listener.bus_taken(message.track, message.bus)
            case BusLost():
                self._listener.bus_lost(egress, message.track)
            case RtspGone():
                self._listener.hold_gone(egress, message.hold)
            case ViewerJoined():
                self._listener.joined(egress, message)
            case ViewerConnected():
                self._listener.connected(message)
            case ViewerGone():
                self._listener.viewer_gone(message)
