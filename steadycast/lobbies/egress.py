"""One egress worker as lobbies and viewers know it: what it is ordered, and how many watch over it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from steadycast.errors import RefusedError
from steadycast.lobbies.ids import tag
from steadycast.model import TrackInfo
from steadycast.workers.messages import (
    CloseTrack,
    ConfigureEgress,
    DrainEgress,
    KickViewer,
    OpenBus,
    TurnViewer,
    WhepOffer,
    WhepPatch,
)
from steadycast.workers.worker import Worker


class Egress:
    """One egress worker. It takes viewers once it has its `order`, and none that are new while it is `draining`."""

    def __init__(self, request_s: float) -> None:
        self.id = tag()
        self.order: ConfigureEgress | None = None
        self.udp_port: int | None = None  # of all WebRTC viewers
        self.draining = False
        self.since = time.monotonic()  # when it began to take viewers; of one that was found, when its process began
        self._request_s = request_s
        self._worker: Worker | None = None
        self._viewers = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def viewers(self) -> int:
        """Viewers and described connections; kept by the viewers' registry, for choosing the least busy worker."""
        return self._viewers

    @viewers.setter
    def viewers(self, count: int) -> None:
        self._viewers = count
        if count:
            self._empty.clear()
        else:
            self._empty.set()

    async def empty(self) -> None:
        """Wait until nobody watches over it."""
        await self._empty.wait()

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
        """Its process was started, or found."""
        self._worker = worker

    def ordered(self, order: ConfigureEgress, udp_port: int | None, ran_s: float = 0.0) -> None:
        """It has its order, and takes viewers from now on; or has for `ran_s` seconds."""
        self.order, self.udp_port, self.since = order, udp_port, time.monotonic() - ran_s

    def viewer_statistics(self, viewer: str) -> dict[str, Any]:
        """Counters of a viewer from the worker's last sign of life; empty where it has none."""
        viewers = {} if self._worker is None else self._worker.statistics.get("viewers", {})
        return dict(viewers.get(viewer, {})) if isinstance(viewers, dict) else {}

    async def configure(self, order: ConfigureEgress, listener: int) -> None:
        """Its first order; `listener` is a listening socket, which belongs to this call. Raises SteadycastError."""
        body = await self.worker.request(order, (listener,), deadline=self._request_s)
        self.ordered(order, body.get("udp_port"))

    async def drain(self) -> None:
        """It accepts no more RTSP connections. Raises SteadycastError."""
        await self.worker.request(DrainEgress(), deadline=self._request_s)

    async def open_bus(self, track: str, epoch: str, info: TrackInfo, bus: str, descriptor: int) -> None:
        """Read a track from a socket, which belongs to this call; `bus` is its name."""
        await self.worker.request(OpenBus(track, epoch, info, bus), (descriptor,), deadline=self._request_s)

    async def close_track(self, track: str) -> None:
        """Forget a track."""
        await self.worker.request(CloseTrack(track), deadline=self._request_s)

    async def offer(
        self, viewer: str, tracks: tuple[str, ...], sdp: str, etag: str | None = None, remote: str | None = None
    ) -> str:
        """Answer an offer; the worker keeps `etag` and `remote` for a later control plane."""
        body = await self.worker.request(WhepOffer(viewer, tracks, sdp, etag, remote), deadline=self._request_s)
        return str(body["answer"])

    async def patch(self, viewer: str, fragment: str, etag: str | None = None) -> str | None:
        """Candidates (None), or an ICE restart with its answer, which `etag` names from then on."""
        body = await self.worker.request(WhepPatch(viewer, fragment, etag), deadline=self._request_s)
        return body.get("fragment")

    async def turn(self, viewer: str, before: str, after: str) -> None:
        """Give a viewer another track in place of one (keys). Raises SteadycastError; it goes on as it was."""
        await self.worker.request(TurnViewer(viewer, before, after), deadline=self._request_s)

    async def kick(self, viewer: str, reason: str) -> None:
        """End a viewer."""
        await self.worker.request(KickViewer(viewer, reason), deadline=self._request_s)
