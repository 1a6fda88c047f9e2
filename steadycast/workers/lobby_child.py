"""The lobby worker's process: messages of the control plane mapped onto one pipeline. Started with `python -m`."""

from __future__ import annotations

import logging
import os
from typing import Any

from steadycast.errors import ConflictError, DeadlineError, EncoderError, SteadycastError, WorkerError
from steadycast.leases.pools import Pressure
from steadycast.model import EncoderReport
from steadycast.pipelines.failures import Failure
from steadycast.pipelines.graph import GraphThread
from steadycast.pipelines.gst import preload
from steadycast.pipelines.live_objects import LiveObjects
from steadycast.pipelines.lobby import LobbyPipeline, Ready
from steadycast.pipelines.parts import Limits
from steadycast.pipelines.source_plan import PushPlace, SourceOrder
from steadycast.workers import messages
from steadycast.workers.channel import Descriptors
from steadycast.workers.child import Parent, run_child
from steadycast.workers.codec import to_plain
from steadycast.workers.messages.stock import InstanceStock, LobbyStock
from steadycast.workers.openings import Openings
from steadycast.workers.start import GRAPH

log = logging.getLogger("lobby")

EXIT_STUCK = 76  # a thread of GStreamer does not end; the kernel frees what it holds


class LobbyBody:
    """One lobby's pipeline behind the messages. Shows one source in its life."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._pipeline: LobbyPipeline | None = None
        self._order: messages.ShowSource | None = None
        self._said: messages.SourceReady | messages.SourceFailed | None = None  # last of the source
        self._openings = Openings(self._end_unheard)
        self._closing: list[str] = []
        GraphThread(parent.folder / f"{parent.id}.dot", GRAPH, self._graph)
        preload()
        self._objects = LiveObjects()

    def statistics(self) -> dict[str, Any]:
        self._objects.take()  # so that what came and went does not add up
        return self._pipeline.statistics() if self._pipeline is not None else {}

    def on_message(self, message: Any, fds: Descriptors) -> None:
        if isinstance(message, messages.ForceKeyframe):
            self._showing().force_keyframe(message.track)
        elif isinstance(message, messages.Press):
            if self._pipeline is not None:
                self._pipeline.press(Pressure(message.level))
        else:
            log.warning("not for a lobby worker: %s", type(message).__name__)

    async def on_request(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        match message:
            case messages.ShowSource():
                await self._show(message)
                return {}
            case messages.OpenRendition():
                return await self._open(message)
            case messages.ParkRendition():
                await self._showing().park_rendition(message.instance)
                return {}
            case messages.TakeOverRendition():
                track, report = await self._showing().take_over_rendition(message.rendition, message.instance)
                return {"track": to_plain(track), "report": to_plain(report)}
            case messages.CloseRendition():
                return {"closed": await self._close(message.name)}
            case messages.RetuneRendition():
                retuned = await self._showing().retune(message.instance, message.rendition, message.bitrate_kbps)
                return {"bitrate_kbps": retuned.bitrate_kbps, "why": retuned.why}
            case messages.AttachReader():
                self._showing().attach(message.track, message.reader, fds.take())
                return {}
            case messages.CountObjects():
                return {"objects": self._objects.count()}
            case messages.ProveKeyframe():
                return await self._showing().prove(message.track, message.seconds)
            case messages.DetachReader():
                return {"detached": self._showing().detach(message.track, message.reader)}
        raise WorkerError("worker.message", f"{type(message).__name__} is not for a lobby worker")

    def _graph(self) -> Any:
        return None if self._pipeline is None else self._pipeline.whole

    async def close(self) -> None:
        if self._pipeline is None:
            return
        try:
            await self._pipeline.close()
        except DeadlineError as error:
            log.error("left without its end: %s", error.what)
            logging.shutdown()
            os._exit(EXIT_STUCK)

    def stock(self, after: int) -> tuple[LobbyStock, int | None]:
        """All that is there, in one answer. What is being opened for somebody who is gone is ended from now on."""
        self._openings.end_unheard(self._parent.channel)
        if self._pipeline is None:
            return LobbyStock(), None
        held, readers = self._pipeline.held()
        instances = tuple(
            InstanceStock(one.rendition, one.instance, one.order, one.track, one.report, one.readers, one.parked)
            for one in held
            if one.instance not in self._closing and not self._openings.under_way(one.instance)
        )
        said = self._said
        ready = said if isinstance(said, messages.SourceReady) else None
        failed = said if isinstance(said, messages.SourceFailed) else None
        return LobbyStock(self._order, ready, failed, instances, readers), None

    async def _open(self, message: messages.OpenRendition) -> dict[str, Any]:
        showing, instance = self._showing(), message.instance
        with self._openings.asked(instance, self._parent.channel):
            await self._openings.settled(instance)
            track, report = await showing.open_rendition(message.rendition, instance, message.order)
            return {"track": to_plain(track), "report": to_plain(report)}

    async def _close(self, instance: str) -> bool:
        self._closing.append(instance)
        try:
            return await self._showing().close_rendition(instance)
        finally:
            self._closing.remove(instance)

    async def _end_unheard(self, instance: str) -> None:
        log.info("the instance %s is ended: who asked for it is gone", instance)
        try:
            await self._close(instance)
        except SteadycastError as error:
            log.error("the instance %s: %s", instance, error.what)

    def _showing(self) -> LobbyPipeline:
        if self._pipeline is None:
            raise ConflictError("source.none", "this worker was not told yet what to show")
        return self._pipeline

    async def _show(self, message: messages.ShowSource) -> None:
        if self._pipeline is not None:
            raise ConflictError("source.shown", "this worker shows a source already")
        cpus = len(os.sched_getaffinity(0))
        limits = Limits(
            message.mtu, message.keyframe_s, message.bits_per_pixel, cpus, message.open_s, message.reference_mb
        )
        push = PushPlace(str(self._parent.folder / f"{self._parent.id}.push"), message.heir_of)
        order = SourceOrder(
            message.source, limits, message.display, message.xauthority, message.timeout_s, message.began, push
        )
        self._order = message
        self._pipeline = LobbyPipeline(order, self._ready, self._failed, self._encoder)
        await self._pipeline.play()

    def _ready(self, ready: Ready) -> None:
        picture = ready.picture
        self._tell(messages.SourceReady(ready.tracks, picture.width, picture.height, picture.fps))

    def _failed(self, failure: Failure) -> None:
        one = failure
        self._tell(messages.SourceFailed(one.code, one.what, one.why, one.hint, one.retry, one.hung))

    def _tell(self, said: messages.SourceReady | messages.SourceFailed) -> None:
        self._said = said
        self._parent.post(said)

    def _encoder(self, instance: str, news: EncoderError | EncoderReport) -> None:
        if isinstance(news, EncoderError):
            self._parent.post(messages.RenditionFailed(instance, news.code, news.what, news.why))
        else:
            self._parent.post(messages.EncoderReported(instance, news))


if __name__ == "__main__":
    run_child("lobby", LobbyBody)
