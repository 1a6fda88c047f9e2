"""Workers that are no processes: they keep our side of the workers' interface, answer at once and die when told."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from steadycast.errors import SteadycastError, WorkerError
from steadycast.leases.pools import Pools
from steadycast.model import Check, Codec, EncoderReport, Measures, Receipt, TrackInfo, TrackKind, WorkerKind
from steadycast.tracking.gauge import Gauge
from steadycast.workers.channel import Descriptors, OnMessage, OnRequest
from steadycast.workers.codec import to_plain
from steadycast.workers.evidence import Hang
from steadycast.workers.messages import (
    AttachReader,
    BusTaken,
    ConfigureEgress,
    KickViewer,
    OpenBus,
    OpenRendition,
    ParkRendition,
    RetuneRendition,
    ShowDisplay,
    ShowSource,
    SourceReady,
    TakeOverRendition,
    ViewerGone,
    WhepOffer,
    WhepPatch,
)
from steadycast.workers.pressing import Pressing
from steadycast.workers.supervisor import Supervisor, SupervisorStatistics
from steadycast.workers.worker import DIED

SOUND = TrackInfo("audio", TrackKind.AUDIO, Codec.OPUS, 48000, channels=2)
STAYED = Check("socket", ("/tmp/left.sock",))  # where it is not clean
_numbers = itertools.count(1)
Answer = Callable[["StandIn", Any], dict[str, Any] | None]


class StandIn:
    """A worker. `asked` is what it was told; `script` may answer instead of it, or raise."""

    def __init__(self, kind: WorkerKind, lobby: str | None, heard: OnMessage, asked: OnRequest | None) -> None:
        self.kind = kind
        self.lobby = lobby
        self.number = next(_numbers)
        self.id = f"{kind.value}-{self.number}"
        self.pid = 1_000_000 + self.number
        self.start_time = 0  # no process has this one
        self.started = time.time()
        self.statistics: dict[str, Any] = {}
        self.asked: list[Any] = []
        self.script: Answer = lambda worker, message: None
        self.clean = True
        self.parked: set[str] = set()  # instances that are fed nothing: they take no reader
        self.holds_back = False
        self.hang: Hang | None = None  # what it was ended for
        self.turns: Callable[[], int] = lambda: 1  # of the loop, until an answer comes
        self.measures: Measures | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fds: list[int] = []
        self._heard = heard
        self._asked = asked
        self._gone: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.on_gone: Callable[[StandIn], None] = lambda worker: None

    @property
    def gone(self) -> asyncio.Future[Receipt]:
        return asyncio.shield(self._gone)

    @property
    def receipt(self) -> Receipt | None:
        return self._gone.result() if self._gone.done() else None

    @property
    def ready(self) -> bool:
        return not self._gone.done()

    def measure(self) -> None:
        """It is no process, so there is nothing to measure."""

    def measured(self, found: Measures | None) -> None:
        """As `measure`."""

    def told(self, kind: type[Any]) -> list[Any]:
        """The messages of one kind that it got."""
        return [message for message in self.asked if isinstance(message, kind)]

    def say(self, message: Any) -> None:
        """A message to the control plane."""
        if not self._gone.done():
            self._heard(message, Descriptors())

    async def ask(self, message: Any) -> dict[str, Any]:
        """A request to the control plane."""
        assert self._asked is not None
        return await self._asked(message, Descriptors())

    def post(self, message: Any, fds: Sequence[int] = ()) -> None:
        self.asked.append(message)

    async def request(self, message: Any, fds: Sequence[int] = (), *, deadline: float | None = None) -> dict[str, Any]:
        held = Descriptors(fds)
        try:
            if self._gone.done():
                raise WorkerError("worker.gone", f"{self.id} is gone")
            self.asked.append(message)
            for _ in range(self.turns()):
                await asyncio.sleep(0)
            await self.may_answer.wait()
            if self._gone.done():
                raise WorkerError("worker.gone", f"{self.id} is gone")
            answer = self.script(self, message)
            if answer is None:
                answer = self._answer(message)
            self.fds += [os.dup(held._fds[0])] if len(held) else []  # kept open, as a worker keeps its bus
            return answer
        finally:
            held.close()

    def _answer(self, message: Any) -> dict[str, Any]:
        match message:
            case ShowSource():
                asyncio.get_running_loop().call_soon(self.say, SourceReady((SOUND,), 1280, 720, 30.0))
            case ShowDisplay():
                return {"display": ":7", "xauthority": "/x"}
            case ParkRendition():
                self.parked.add(message.instance)
            case AttachReader():
                assert message.track not in self.parked, "it is not taken over first"
            case OpenRendition() | TakeOverRendition():
                self.parked.discard(message.instance)
                codec = Codec(message.rendition.codec)
                info = TrackInfo(message.rendition.name, TrackKind.VIDEO, codec, 90000, encoder="x264enc")
                order = message.order if isinstance(message, OpenRendition) else None
                report = None if order is None else EncoderReport(order.device, order.elements[0])
                return {"track": to_plain(info), "report": to_plain(report)}
            case RetuneRendition():
                return {"bitrate_kbps": None, "why": "it takes none while it plays"}
            case OpenBus():
                self._take(message)
            case ConfigureEgress():
                return {"udp_port": 5}
            case WhepOffer():
                return {"answer": "v=0 answer"}
            case WhepPatch():
                return {"fragment": None}
            case KickViewer():
                self.say(ViewerGone(message.viewer, message.reason))
        return {}

    def _take(self, bus: OpenBus) -> None:
        """The first packet of a bus is a keyframe here, unless somebody `holds_back`."""
        if not self.holds_back:
            asyncio.get_running_loop().call_soon(self.say, BusTaken(bus.track, bus.bus))

    async def end(self, cause: str, hang: Hang | None = None) -> Receipt:
        self.hang = hang
        self.die(cause, exit_code=0)
        return await self.gone

    def begin_end(self, cause: str) -> None:
        """It is gone a moment later."""
        asyncio.get_running_loop().call_soon(self.die, cause, 0)

    def die(self, cause: str = "died", exit_code: int | None = None) -> None:
        """End, by a signal where no exit code is given."""
        while self.fds:
            os.close(self.fds.pop())
        if not self._gone.done():
            signal = None if exit_code is not None else 9
            now = time.time()
            receipt = Receipt(
                f"r{self.number}", self.id, self.kind, self.pid, self.lobby, cause, self.started, now, exit_code,
                signal, (), () if self.clean else (STAYED,), self.clean,
            )  # fmt: skip
            self._gone.set_result(receipt)
            self.on_gone(self)


class StandInSupervisor:
    """Starts stand-ins. `prepare` is called with each new one before anybody talks to it; it may raise."""

    def __init__(self, on_receipt: Callable[[Receipt], None] = lambda receipt: None) -> None:
        self.gauge = Gauge()
        self.pools = Pools()
        self.pressing = Pressing(self.pools, None)  # type: ignore[arg-type]  # it never begins
        self.closing = False
        self.started: list[StandIn] = []
        self.prepare: Callable[[StandIn], None] = lambda worker: None
        self._on_receipt = on_receipt

    @property
    def workers(self) -> tuple[StandIn, ...]:
        return tuple(worker for worker in self.started if worker.ready)

    def statistics(self) -> SupervisorStatistics:
        """Those that died; nothing else is counted."""
        died = sum(one.receipt is not None and one.receipt.cause == DIED for one in self.started)
        return SupervisorStatistics({}, 0, len(self.started), 0, died, 0, 0, 0)

    def of(self, kind: WorkerKind) -> list[StandIn]:
        """All of a kind, those that are gone too, in the order of their starts."""
        return [worker for worker in self.started if worker.kind is kind]

    def as_supervisor(self) -> Supervisor:
        """For whoever wants the real one."""
        return cast(Supervisor, self)

    async def start(
        self,
        kind: WorkerKind,
        *,
        lobby: str | None = None,
        on_message: OnMessage,
        on_request: OnRequest | None = None,
    ) -> StandIn:
        worker = StandIn(kind, lobby, on_message, on_request)
        await asyncio.sleep(0)
        try:
            self.prepare(worker)
        except SteadycastError:
            worker.die()
            raise
        worker.on_gone = lambda gone: self._on_receipt(cast(Receipt, gone.receipt))
        self.started.append(worker)
        return worker
