"""What a lobby runs on: a lobby worker with its source, and for desktops a display worker with its program.

Each is made for one try and is never used again after it was lost. `lost` says why it does not show (any more).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from steadycast.config.current import HostSettings
from steadycast.errors import ConflictError, DeadlineError, SteadycastError, WorkerError
from steadycast.lobbies import loss
from steadycast.lobbies.ids import tag
from steadycast.lobbies.retry import Loss
from steadycast.model import (
    EncoderOrder,
    EncoderReport,
    Receipt,
    Rendition,
    Retuned,
    Source,
    TrackInfo,
    WorkerKind,
)
from steadycast.pipelines.plan import Picture
from steadycast.workers.channel import Descriptors
from steadycast.workers.codec import CodecError, from_plain
from steadycast.workers.evidence import Hang
from steadycast.workers.messages import (
    AttachReader,
    CloseRendition,
    CommandExited,
    DetachReader,
    DisplayFailed,
    EncoderReported,
    ForceKeyframe,
    OpenRendition,
    ParkRendition,
    RenditionFailed,
    RetuneRendition,
    ShowDisplay,
    ShowSource,
    SourceFailed,
    SourceReady,
    TakeOverRendition,
)
from steadycast.workers.messages.stock import DisplayStock, LobbyStock
from steadycast.workers.pressing import Pressing
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker


class Holder(ABC):
    """A worker of a lobby: started once, lost once, ended once."""

    kind: WorkerKind

    def __init__(self, lobby: str, source: Source, supervisor: Supervisor, settings: HostSettings) -> None:
        self.lobby = lobby
        self.source = source
        self.settings = settings
        self.lost: asyncio.Future[Loss] = asyncio.get_running_loop().create_future()
        self._supervisor = supervisor
        self._worker: Worker | None = None

    @property
    def worker(self) -> Worker:
        """The worker; raises ConflictError before it was started."""
        if self._worker is None:
            raise ConflictError("worker.none", f"the {self.kind.value} worker is not started")
        return self._worker

    @property
    def pid(self) -> int | None:
        """Its process, None where there is none (any more)."""
        return None if self._worker is None or self._worker.receipt is not None else self._worker.pid

    @property
    def memory(self) -> Pressing:
        """What is known of the host's memory."""
        return self._supervisor.pressing

    async def start_worker(self) -> None:
        """Start the process; raises WorkerError."""
        worker = await self._supervisor.start(self.kind, lobby=self.lobby, on_message=self.heard)
        self._worker = worker
        worker.gone.add_done_callback(self._gone)

    def go_on(self, worker: Worker) -> None:
        """Go on with a process of a former control plane; what it says is kept until `hear`."""
        self._worker = worker
        worker.gone.add_done_callback(self._gone)

    def hear(self) -> None:
        """Hear it from now on, and first of all what it said since it was found. Raises WorkerError."""
        self.worker.take(self.lobby, self.heard, None)

    @property
    def hung(self) -> bool:
        """Whether it was lost because something in it hangs."""
        return self.lost.done() and self.lost.result().hung

    async def end(self, cause: str, *, hung: bool = False) -> Receipt | None:
        """End the process by the ladder; None where there was none. `hung`: it may be the part of a lobby that hangs,
        though nobody said so of itself."""
        hang = Hang.PART if hung or self.hung else None
        return None if self._worker is None else await self._worker.end(cause, hang)

    @property
    def works(self) -> bool:
        """Whether orders make sense: it was started, and is neither lost nor about to be."""
        return self._worker is not None and self._worker.ready and not self.lost.done()

    @abstractmethod
    def heard(self, message: Any, fds: Descriptors) -> None:
        """A message of the worker."""

    def lose(self, why: Loss) -> None:
        """Say once why it is lost."""
        if not self.lost.done():
            self.lost.set_result(why)

    def _gone(self, gone: asyncio.Future[Receipt]) -> None:
        if not gone.cancelled():
            self.lose(loss.of_worker(gone.result()))


class Display(Holder):
    """A virtual X display with the program of a desktop."""

    kind = WorkerKind.DISPLAY

    async def start(self, command: tuple[str, ...], width: int, height: int) -> tuple[str, str]:
        """Start both; returns the display's name and the path of its Xauthority. Raises SteadycastError."""
        await self.start_worker()
        order = ShowDisplay(self.lobby, command, width, height)
        self._started = time.monotonic()
        body = await self.worker.request(order, deadline=self.settings.workers.request_s)
        self.name, self.xauthority = str(body["display"]), str(body["xauthority"])
        return self.name, self.xauthority

    def adopt(self, worker: Worker, stock: DisplayStock) -> None:
        """Go on with a display that is up, as `go_on`."""
        self.name, self.xauthority = stock.display or "", stock.xauthority or ""
        self._started = time.monotonic() - stock.shown_s
        self.go_on(worker)

    def heard(self, message: Any, fds: Descriptors) -> None:
        if isinstance(message, CommandExited):
            self.lose(loss.of_program(message, time.monotonic() - self._started))
        elif isinstance(message, DisplayFailed):
            self.lose(loss.of_display(message))


class Stage(Holder):
    """A lobby worker with its source. `epoch` names the clock of its tracks; `tracks` is what can be read at once."""

    kind = WorkerKind.LOBBY

    def __init__(self, lobby: str, source: Source, supervisor: Supervisor, settings: HostSettings) -> None:
        super().__init__(lobby, source, supervisor, settings)
        self.epoch = tag()
        self.began: float | None = None  # as `ShowSource.began`
        self.heir_of: str | None = None  # as `ShowSource.heir_of`
        self.shows: asyncio.Future[SourceReady] = asyncio.get_running_loop().create_future()
        self.tracks: dict[str, TrackInfo] = {}
        self.picture = Picture()
        self.lost_devices: dict[str, str] = {}  # what their drivers said: this process gets nothing on them any more
        self.since = time.monotonic()  # when it was made for this lobby, whatever the age of its process
        self.uses = 0  # renditions that it was told to open
        self.source_failed = False  # by its own words, and not because the worker died
        self.hears: Callable[[RenditionFailed | EncoderReported], None] = lambda message: None

    async def start(self, display: str | None = None, xauthority: str | None = None) -> None:
        """Start the worker and order the source; `shows` or `lost` follow. Raises SteadycastError."""
        await self.start_worker()
        settings = self.settings
        order = ShowSource(
            self.lobby,
            self.source,
            display,
            xauthority,
            mtu=settings.egress.mtu,
            keyframe_s=settings.renditions.keyframe_s,
            bits_per_pixel=settings.renditions.bits_per_pixel,
            timeout_s=settings.sources.rtsp_timeout_s,
            open_s=settings.encoders.open_s,
            reference_mb=settings.encoders.reference_budget_mb,
            epoch=self.epoch,
            began=self.began,
            heir_of=self.heir_of,
        )
        await self.worker.request(order, deadline=settings.workers.request_s)

    def adopt(self, worker: Worker, stock: LobbyStock) -> None:
        """Go on with a worker that was told its source, as `go_on`."""
        assert stock.order is not None
        self.epoch, self.began = stock.order.epoch, stock.order.began
        self.since = time.monotonic() - worker.age_s
        self.uses = len(stock.instances)
        if stock.ready is not None:
            self.heard(stock.ready, Descriptors())
        self.go_on(worker)

    @property
    def goes_on(self) -> float | None:
        """What another one that takes over is told as `began`, by this one's last sign of life. None: it begins at the
        beginning, as after a source that failed or ended by its own words."""
        if self.source_failed:
            return None
        began = self._told("began")
        return began if isinstance(began, float) else self.began

    @property
    def pushed(self) -> dict[str, Any] | None:
        """How a source does that producers push into, by the last sign of life; None for others, and before that."""
        told = self._told("push")
        return told if isinstance(told, dict) else None

    def _told(self, name: str) -> Any:
        """What the last sign of life says of the source."""
        told = {} if self._worker is None else self._worker.statistics.get("source")
        return told.get(name) if isinstance(told, dict) else None

    def heard(self, message: Any, fds: Descriptors) -> None:
        if isinstance(message, SourceReady):
            self.tracks = {track.name: track for track in message.tracks}
            self.picture = Picture(message.width, message.height, message.fps)
            if not self.shows.done():
                self.shows.set_result(message)
        elif isinstance(message, SourceFailed):
            self.source_failed = True
            self.lose(loss.of_source(message, self.source))
        elif isinstance(message, RenditionFailed | EncoderReported):
            self.hears(message)

    async def open(
        self, rendition: Rendition, instance: str, order: EncoderOrder | None
    ) -> tuple[TrackInfo, EncoderReport | None]:
        """Start an instance of a rendition; answers with its first packet. Raises SteadycastError."""
        self.uses += 1
        return await self._made(OpenRendition(rendition, instance, order))

    async def take_over(self, rendition: Rendition, instance: str) -> tuple[TrackInfo, EncoderReport | None]:
        """Feed a parked instance again, for this rendition; answers with its first packet. Raises SteadycastError."""
        return await self._made(TakeOverRendition(rendition, instance))

    async def _made(self, message: OpenRendition | TakeOverRendition) -> tuple[TrackInfo, EncoderReport | None]:
        body = await self.worker.request(message, deadline=self.settings.workers.request_s)
        try:
            report = body.get("report")
            return from_plain(TrackInfo, body["track"]), None if report is None else from_plain(EncoderReport, report)
        except (KeyError, CodecError) as error:
            raise _nonsense(error) from None

    async def retune(self, rendition: Rendition, instance: str, bitrate_kbps: int | None = None) -> Retuned:
        """Bring an instance to this rendition, or to this bitrate of it, while it plays. Raises SteadycastError; a
        worker that does not answer is lost then."""
        message = RetuneRendition(instance, rendition, bitrate_kbps)
        try:
            body = await self.worker.request(message, deadline=self.settings.workers.request_s)
        except DeadlineError as error:
            self.lose(loss.of_order(error))
            raise
        try:
            return from_plain(Retuned, body)
        except CodecError as error:
            raise _nonsense(error) from None

    async def park(self, instance: str) -> None:
        """Feed an instance nothing, and let its readers go. Raises SteadycastError."""
        await self.worker.request(ParkRendition(instance), deadline=self.settings.workers.request_s)

    async def close(self, name: str) -> None:
        """End an instance of a rendition. Raises SteadycastError."""
        await self.worker.request(CloseRendition(name), deadline=self.settings.workers.request_s)

    async def attach(self, track: str, reader: str, descriptor: int) -> None:
        """Send a track's packets into a socket, which belongs to this call. Raises SteadycastError."""
        await self.worker.request(AttachReader(track, reader), (descriptor,), deadline=self.settings.workers.request_s)

    async def detach(self, track: str, reader: str) -> None:
        """Stop sending to a reader. Raises SteadycastError."""
        await self.worker.request(DetachReader(track, reader), deadline=self.settings.workers.request_s)

    def force_keyframe(self, track: str) -> None:
        """Ask for a keyframe. A worker that does not read is ended by its supervisor; nothing is done about it here."""
        with contextlib.suppress(SteadycastError):
            self.worker.post(ForceKeyframe(track))


def _nonsense(error: Exception) -> WorkerError:
    return WorkerError("worker.nonsense", "the lobby worker answered nonsense", why=str(error))
