"""One try at an encoder: made and opened in a thread with a deadline, watched, and explained where it fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

from steadycast.errors import DeadlineError, EncoderError, WorkerError
from steadycast.model import EncoderFault, EncoderOrder, EncoderReport, Rendition, Retuned
from steadycast.pipelines import debug_log, simulated
from steadycast.pipelines.branch import Branch
from steadycast.pipelines.describe import InstalledElements
from steadycast.pipelines.encoder_faults import Evidence, refusal
from steadycast.pipelines.failures import Fault
from steadycast.pipelines.faults import fault_of
from steadycast.pipelines.gst import Gst, log
from steadycast.pipelines.intake import Intake, refuse_allocation
from steadycast.pipelines.parts import Chain, guard, packets
from steadycast.pipelines.plan import RenditionPlan, plan_rendition
from steadycast.pipelines.progress import SOURCE_FRAMES, Counts, Progress
from steadycast.pipelines.retune import Retuning, retuning
from steadycast.pipelines.stage import Stage
from steadycast.pipelines.teardown import Disposer, in_thread
from steadycast.pipelines.track import Face, Track
from steadycast.vendors.table import row

FIRST_PACKET_S = 13.0  # from the order until the first packet; a little less than the asker's patience
TOLD_S = 0.5  # from a refusal until the bus has said why
LOOK_S = 0.1  # between looks at an encoder that has made nothing yet
STALL_S = 5.0  # that an open encoder of a device may take frames and make none
SOFTWARE_STALL_S = 20.0  # the same for software, which may be slow where all cores are busy, and never hangs
PROGRESS_S = 1.0  # how old the last look at an open encoder may be
RETUNE_S = 2.0  # that an encoder has to take another bitrate
FAULTS_KEPT = 8

SIMULATED = "simulated"  # a row of the table
SOFTWARE = "software"  # the vendor of an operator's fragment that needs no device
ELEMENTS = InstalledElements()


class Attempt:
    """One encoder of one rendition. `open` once; then `look` from time to time, and `explain` after a failure."""

    def __init__(self, stage: Stage, rendition: Rendition, instance: str, order: EncoderOrder) -> None:
        self.order = order
        self.plan: RenditionPlan
        self.branch: Branch
        self.track: Track
        self._stage = stage
        self._rendition = rendition
        self._instance = instance
        self._began = stage.now()
        self._taking: float | None = None  # since when something goes in
        self._faults: list[Fault] = []
        self._news = asyncio.Event()
        self._disposer = Disposer()
        self._ready = Disposer()  # what is undone when it makes packets
        self.intake: Intake
        self.failed: EncoderError | None = None  # after it was open; said once
        self.closed = False
        self._progress: Progress | None = None  # once it is open
        self._hardware = is_hardware(order)
        self._tuning = asyncio.Lock()

    # --- opening

    async def prepare(self) -> Track:
        """Plan, make and open the device as far as a state change does. Raises EncoderError; nothing stays then."""
        debug_log.install()
        await self._within("opened", self._make)
        self.track = Track(
            self._stage.loop,
            self.order.codec,
            self.branch,
            Face(self.plan.name, self.plan.shown, self.plan.element),
            None,
        )
        encoder = self.branch.element("encoder")
        self.intake = Intake(
            encoder.get_static_pad("sink"), self._disposer, self._stage.loop, self.branch.bin.get_name()
        )
        if self.order.entry == SIMULATED:
            self.intake.hear(encoder, "notify::memory")
        return self.track

    async def start(self) -> None:
        """Take pictures. Raises EncoderError."""
        self._ready.probe(self.branch.bin.get_static_pad("sink"), Gst.PadProbeType.QUERY_DOWNSTREAM, refuse_allocation)
        started: list[bool] = []
        await self._within("started", lambda: started.append(self.branch.open()))
        if not started[0]:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), TOLD_S)
            raise self.explain()

    async def _within(self, what: str, work: Callable[[], None]) -> None:
        left = self._began + self._patience() - self._stage.now()
        try:
            await in_thread(f"the encoder, until it {what},", max(0.1, left), work)
        except DeadlineError as error:
            raise refusal(self._element(), Evidence(hung=True), error.what) from None

    def _patience(self) -> float:
        return self._stage.limits.open_s if self._hardware else FIRST_PACKET_S

    def _make(self) -> None:
        """In a thread: everything here may load a driver."""
        if self.order.entry == SIMULATED:
            simulated.register(self.order.options)
        self.plan = plan_rendition(self._rendition, self._stage.picture(), self._stage.limits, self.order, ELEMENTS)
        chain = (guard(), *self.plan.chain, *packets(self.order.codec, self._stage.limits))
        self.branch = self._build(chain)
        owner = self.branch.bin.get_name()
        debug_log.claim(owner)
        try:
            self._open_device()
            if self._faults:
                raise self.explain()
        finally:
            debug_log.release(owner)  # this thread ends

    def _build(self, chain: Chain) -> Branch:
        """An operator's fragment may make another codec than it says, or need what is not installed."""
        try:
            return Branch(self._stage.pipeline, self._stage.raw, self._instance, chain)
        except EncoderError:
            raise
        except WorkerError as error:
            fault = EncoderFault.MISSING if error.code == "gstreamer.element_missing" else EncoderFault.SETTINGS
            what = f"{self.plan.element} cannot be put into the pipeline"
            raise EncoderError(fault, what, why=error.what, hint=error.hint) from None

    def _open_device(self) -> None:
        """Before the branch is part of the pipeline, so that a refusal, or a hang, touches nobody else."""
        bus, whole = Gst.Bus.new(), self.branch.bin
        whole.set_bus(bus)
        if whole.set_state(Gst.State.READY) == Gst.StateChangeReturn.FAILURE:
            while (message := bus.pop_filtered(Gst.MessageType.ERROR)) is not None:
                self._faults.append(fault_of(message))
            whole.set_state(Gst.State.NULL)
            self._faults = self._faults or [Fault("", 0, "an element refused the state READY")]
        whole.set_bus(None)  # it has descriptors, and errors keep this try alive until they are collected

    async def first_packet(self) -> None:
        """Wait for it. Raises EncoderError; DeadlineError where the source gives nothing to encode."""
        await self._until(self.track.first)
        if self.track.first.cancelled():
            raise self._ended()
        self._offer_allocation()
        self._progress = Progress(self._counts(), self._stage.now())

    async def first_again(self, fresh: asyncio.Future[str | None]) -> None:
        """The same after a rest; `fresh` is done when something was made."""
        self._began, self._taking = self._stage.now(), None
        await self._until(fresh)
        self._progress = Progress(self._counts(), self._stage.now())

    async def _until(self, made: asyncio.Future[Any]) -> None:
        shown = self._stage.meter.frames
        while not made.done():
            if self.failed is not None or self._faults:
                raise self.failed or self.explain()
            if self.closed:
                raise self._ended()
            self._check_first(shown)
            self._news.clear()
            waiter = asyncio.ensure_future(self._news.wait())
            every: set[asyncio.Future[Any]] = {made, waiter}
            await asyncio.wait(every, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            waiter.cancel()

    def _ended(self) -> WorkerError:
        return WorkerError("rendition.failed", f"the rendition '{self.plan.name}' ended before it began", retry_after=1)

    def _counts(self) -> Counts:
        return Counts(self.track.made, self.intake.frames, self._stage.meter.frames)

    def _offer_allocation(self) -> None:
        """From now on its queue answers at once; the source is asked to ask again."""
        self._ready.dispose()
        self.branch.bin.get_static_pad("sink").push_event(Gst.Event.new_reconfigure())

    def _check_first(self, shown: int) -> None:
        now = self._stage.now()
        if self._taking is None and self.intake.began:
            self._taking = now
        if self._taking is not None and now - self._taking > self._patience():
            goes_on = self._stage.meter.frames - shown >= SOURCE_FRAMES
            if self.intake.frames <= 1 and goes_on and self._hardware:
                raise refusal(self._element(), Evidence(hung=True), "it did not come back from its first frame")
            if self.intake.frames > 1:
                raise self._silent(f"it took {self.intake.frames} frames and made nothing of them")
        if now - self._began > FIRST_PACKET_S:
            raise DeadlineError(
                "rendition.no_packet",
                f"the rendition '{self.plan.name}' made no picture within {FIRST_PACKET_S:g} s",
                hint="the source may be stalled, or this machine too slow for one more encoder",
            )

    # --- while it is open

    def look(self) -> EncoderError | None:
        """An error where it takes frames and makes none, although the source goes on."""
        limit = self.stall_s
        if self._progress is not None and self._progress.stalled(self._counts(), self._stage.now(), limit):
            return self._silent(f"it takes frames and has made none for {limit:g} s")
        return None

    @property
    def stall_s(self) -> float:
        """How long it may take frames and make none."""
        return STALL_S if self._hardware else SOFTWARE_STALL_S

    async def retune(self, rendition: Rendition) -> Retuned:
        """Make this rendition from now on, where nothing but its bitrate differs and the table lets it. Raises
        EncoderError where the element does not come back from that: then the process must end."""
        async with self._tuning:
            plan = plan_rendition(rendition, self._stage.picture(), self._stage.limits, self.order, ELEMENTS)
            asked = retuning(row(self.order.entry), self.plan, plan)
            if isinstance(asked, str):
                return Retuned(None, asked)
            told: list[int | None] = []
            encoder = self.branch.element("encoder")
            work = partial(_set, encoder, asked, told)
            try:
                await in_thread("the encoder, until it took its bitrate,", RETUNE_S, work)
            except DeadlineError as error:
                raise refusal(self._element(), Evidence(hung=True, opened=True), error.what) from None
            self.plan = plan
            return Retuned(told[0])

    def note(self, message: Any) -> None:
        """An error of the bus that an element of this try posted."""
        if len(self._faults) < FAULTS_KEPT:
            self._faults.append(fault_of(message))
        self._news.set()

    @property
    def opened(self) -> bool:
        """Whether it made a packet."""
        return self._progress is not None

    def report(self) -> EncoderReport:
        """What was built, and the memory that was negotiated so far."""
        memory = self.intake.memory
        if self.order.entry == SIMULATED:  # its memory is as little real as the rest: no caps tell it
            memory = self.branch.element("encoder").get_property("memory") or None
        return EncoderReport(self.order.device, self.plan.element, self.plan.memory, memory, self.plan.notes)

    # --- the end

    def explain(self) -> EncoderError:
        """Why it does not work (any more)."""
        return refusal(self._element(), self._evidence())

    def _silent(self, detail: str) -> EncoderError:
        return refusal(self._element(), self._evidence(silent=True), detail)

    def _evidence(self, *, silent: bool = False) -> Evidence:
        since = self._progress.since - PROGRESS_S if self._progress is not None else self._began
        lines = debug_log.since(
            since + self._stage.stopped_s, self.branch.bin.get_name() if hasattr(self, "branch") else None
        )
        for fault in self._faults:
            log.warning("%s: %s (%s)", fault.element, fault.text, fault.debug)
        for line in lines:
            log.warning("%s", line)
        return Evidence(tuple(self._faults), lines, opened=self.opened, silent=silent)

    def _element(self) -> str:
        return self.plan.element if hasattr(self, "plan") else " or ".join(self.order.elements) or self.order.entry

    def let_go(self) -> None:
        self.closed = True
        self._ready.dispose()
        self._disposer.dispose()
        debug_log.release(self.branch.bin.get_name())


def _set(encoder: Any, asked: Retuning, told: list[int | None]) -> None:
    """Set it, and tell what is in force then: kbit/s. In a thread: some elements ask their driver at once."""
    for name, value in asked.properties:
        Gst.util_set_object_arg(encoder, name, value)
    told.append(None if asked.told is None else int(encoder.get_property(asked.told)) // asked.units)


def is_hardware(order: EncoderOrder) -> bool:
    """Whether a driver is behind it, which may hang."""
    found = row(order.entry)
    return found.hardware if found is not None else order.vendor != SOFTWARE


def is_hang(error: WorkerError) -> bool:
    """Whether the process must end after this."""
    return error.code == EncoderFault.HUNG
