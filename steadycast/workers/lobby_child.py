"""The lobby worker's process: messages of the control plane mapped onto one pipeline. Started with `python -m`."""

from __future__ import annotations

import logging
import os
from typing import Any

from steadycast.errors import ConflictError, DeadlineError, EncoderError, WorkerError
from steadycast.model import EncoderReport
from steadycast.pipelines.failures import Failure
from steadycast.pipelines.gst import preload
from steadycast.pipelines.lobby import LobbyPipeline, Ready
from steadycast.pipelines.parts import Limits
from steadycast.pipelines.source_plan import SourceOrder
from steadycast.workers import messages
from steadycast.workers.channel import Descriptors
from steadycast.workers.child import Parent, run_child
from steadycast.workers.codec import to_plain

log = logging.getLogger("lobby")

EXIT_STUCK = 76  # a thread of GStreamer does not end; the kernel frees what it holds


class LobbyBody:
    """One lobby's pipeline behind the messages. Shows one source in its life."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._pipeline: LobbyPipeline | None = None
        preload()

    def statistics(self) -> dict[str, Any]:
        return self._pipeline.statistics() if self._pipeline is not None else {}

    def on_message(self, message: Any, fds: Descriptors) -> None:
        if isinstance(message, messages.ForceKeyframe):
            self._showing().force_keyframe(message.track)
        else:
            log.warning("not for a lobby worker: %s", type(message).__name__)

    async def on_request(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        match message:
            case messages.ShowSource():
                await self._show(message)
                return {}
            case messages.OpenRendition():
                opened = self._showing().open_rendition(message.rendition, message.instance, message.order)
                track, report = await opened
                return {"track": to_plain(track), "report": to_plain(report)}
            case messages.CloseRendition():
                return {"closed": await self._showing().close_rendition(message.name)}
            case messages.AttachReader():
                self._showing().attach(message.track, message.reader, fds.take())
                return {}
            case messages.DetachReader():
                return {"detached": self._showing().detach(message.track, message.reader)}
        raise WorkerError("worker.message", f"{type(message).__name__} is not for a lobby worker")

    async def close(self) -> None:
        if self._pipeline is None:
            return
        try:
            await self._pipeline.close()
        except DeadlineError as error:
            log.error("left without its end: %s", error.what)
            logging.shutdown()
            os._exit(EXIT_STUCK)

    def _showing(self) -> LobbyPipeline:
        if self._pipeline is None:
            raise ConflictError("source.none", "this worker was not told yet what to show")
        return self._pipeline

    async def _show(self, message: messages.ShowSource) -> None:
        if self._pipeline is not None:
            raise ConflictError("source.shown", "this worker shows a source already")
        cpus = len(os.sched_getaffinity(0))
        limits = Limits(message.mtu, message.keyframe_s, message.bits_per_pixel, cpus, message.open_s)
        order = SourceOrder(message.source, limits, message.display, message.xauthority, message.timeout_s)
        self._pipeline = LobbyPipeline(order, self._ready, self._failed, self._encoder)
        await self._pipeline.play()

    def _ready(self, ready: Ready) -> None:
        picture = ready.picture
        self._parent.post(messages.SourceReady(ready.tracks, picture.width, picture.height, picture.fps))

    def _failed(self, failure: Failure) -> None:
        self._parent.post(messages.SourceFailed(failure.code, failure.what, failure.why, failure.hint, failure.retry))

    def _encoder(self, instance: str, news: EncoderError | EncoderReport) -> None:
        if isinstance(news, EncoderError):
            self._parent.post(messages.RenditionFailed(instance, news.code, news.what, news.why))
        else:
            self._parent.post(messages.EncoderReported(instance, news))


if __name__ == "__main__":
    run_child("lobby", LobbyBody)
