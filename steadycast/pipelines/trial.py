"""A trial of one encoder: it is opened as a rendition of a lobby would open it, encodes a small picture that moves, and
what it made is looked at. Whoever calls this ends the process afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import Any, cast

from steadycast.errors import DeadlineError, SteadycastError, WorkerError
from steadycast.model import Codec, EncoderFault, EncoderOrder, Rendition
from steadycast.pipelines.build import is_from, put
from steadycast.pipelines.bus import BusReader
from steadycast.pipelines.encoder import Attempt
from steadycast.pipelines.failures import Failure
from steadycast.pipelines.faults import fault_of
from steadycast.pipelines.gst import Gst, version
from steadycast.pipelines.parts import Limits, Part
from steadycast.pipelines.soundness import flaw
from steadycast.pipelines.stage import Stage
from steadycast.pipelines.teardown import Disposer

# Above the smallest picture of every encoder that is known (AV1 and HEVC on some chips: 256 by 128 or so).
WIDTH, HEIGHT, FPS = 320, 240, 30
FRAMES = 10
KEPT_BYTES = 1 << 20  # of what it made, for the look at it
FRAMES_S = 6.0  # from the first packet until the tenth frame: a third of a second, on a machine with other things to do
SOURCE_S = 4.0  # until the picture is there

# Rings that move across the picture: something to search motion in.
_SOURCE = (
    Part("videotestsrc", {"is-live": "true", "pattern": "zone-plate", "kx2": "20", "ky2": "20", "kt": "2"}),
    Part(
        "capsfilter",
        {"caps": f"video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={FPS}/1,pixel-aspect-ratio=1/1"},
    ),
)


async def try_encoder(order: EncoderOrder) -> dict[str, Any]:
    """How it went, as JSON: `ok`, `fault`, `what`, `why`, `element`, `memory`, `pixels_per_s`, `gstreamer`."""
    told: dict[str, Any] = {"ok": False, "gstreamer": version()}
    stage = _TrialStage()
    try:
        await stage.play()
        told |= await stage.encode(order)
    except SteadycastError as error:
        told |= {"fault": _fault(error.code).value, "what": error.what, "why": error.why or error.hint}
    return told | stage.known()


def _fault(code: str) -> EncoderFault:
    """Codes that are no encoder's say that the picture or a packet did not come."""
    return EncoderFault(code) if code in set(EncoderFault) else EncoderFault.FAILED


class _TrialStage:
    """A stage with a small picture, and one encoder on it."""

    def __init__(self) -> None:
        self._showing = asyncio.Event()
        self._attempt: Attempt | None = None
        self._output: _Output | None = None
        self._heard_of_it = False  # an error of the encoder
        self._failure: Failure | None = None
        self._stage = Stage(Limits(), self._showing.set, self._showing.set, self._failed)
        self._bus = BusReader(self._stage.pipeline.get_bus(), self._heard)

    async def play(self) -> None:
        """Raises WorkerError where not even the picture comes."""
        source = put(_SOURCE, self._stage.pipeline)
        self._stage.take_raw(source[-1].get_static_pad("src"))
        self._stage.pipeline.set_state(Gst.State.PLAYING)
        try:
            await asyncio.wait_for(self._showing.wait(), SOURCE_S)
        except TimeoutError:
            raise DeadlineError("trial.source", f"the picture to encode did not come within {SOURCE_S:g} s") from None
        if self._failure is not None:
            raise WorkerError("trial.source", "the picture to encode failed", why=self._failure.what)

    async def encode(self, order: EncoderOrder) -> dict[str, Any]:
        """Raises EncoderError, DeadlineError."""
        codec = cast(Any, order.codec.value)  # a codec of pictures, or the table has no row for it
        rendition = Rendition("trial", codec, bitrate_kbps=600)
        attempt = self._attempt = Attempt(self._stage, rendition, "trial", order)
        await attempt.prepare()
        made = self._output = _Output(order.codec, attempt)
        await attempt.start()
        await attempt.first_packet()
        if not await made.wait(FRAMES_S):
            if self._heard_of_it:
                raise attempt.explain()
            raise DeadlineError("trial.slow", f"{FRAMES} frames were not encoded within {FRAMES_S:g} s")
        fault = made.flaw()
        if fault is not None:
            what = f"{attempt.plan.element} made something that nobody can decode"
            return {"fault": EncoderFault.FAILED.value, "what": what, "why": fault}
        return {"ok": True, "pixels_per_s": made.pixels_per_s()}

    def known(self) -> dict[str, Any]:
        """The element and its memory, as far as it came."""
        attempt = self._attempt
        if attempt is None or not hasattr(attempt, "intake"):
            return {}
        report = attempt.report()
        return {"element": report.element, "memory": report.memory}

    def _heard(self, message: Any) -> None:
        if message.type != Gst.MessageType.ERROR:
            return
        attempt = self._attempt
        if attempt is not None and hasattr(attempt, "branch") and is_from(message, attempt.branch.bin):
            attempt.note(message)
            self._heard_of_it = True
            if self._output is not None:
                self._output.stop()
        else:
            fault = fault_of(message)
            self._failed(Failure("trial.source", fault.text, fault.debug, None))

    def _failed(self, failure: Failure) -> None:
        self._failure = failure
        self._showing.set()


class _Output:
    """What comes out of an encoder: its first access units, and how long a frame stays in it."""

    def __init__(self, codec: Codec, attempt: Attempt) -> None:
        self._codec = codec
        self._loop = asyncio.get_running_loop()
        self._enough = asyncio.Event()
        self._units: list[bytes] = []
        self._bytes = 0
        self._went_in: deque[float] = deque(maxlen=10 * FRAMES)  # what is in it now; none overtakes another
        self._stays: list[float] = []
        self._disposer = Disposer()
        encoder, payloader = attempt.branch.element("encoder"), attempt.branch.element("payloader")
        watch = self._disposer.probe
        watch(encoder.get_static_pad("sink"), Gst.PadProbeType.BUFFER, self._into)
        watch(encoder.get_static_pad("src"), Gst.PadProbeType.BUFFER, self._out)
        watch(payloader.get_static_pad("sink"), Gst.PadProbeType.BUFFER, self._unit)

    async def wait(self, seconds: float) -> bool:
        """Whether enough frames came."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._enough.wait(), seconds)
        return len(self._stays) >= FRAMES

    def stop(self) -> None:
        """No more will come."""
        self._enough.set()

    def flaw(self) -> str | None:
        return flaw(self._codec, self._units)

    def pixels_per_s(self) -> float | None:
        """By the shortest time that a frame stayed in it: a GPU may do several at once, so this is the least."""
        return WIDTH * HEIGHT / max(min(self._stays), 1e-6) if self._stays else None

    def _into(self, _pad: Any, _info: Any) -> Any:
        self._went_in.append(time.monotonic())
        return Gst.PadProbeReturn.OK

    def _out(self, _pad: Any, _info: Any) -> Any:
        if self._went_in and len(self._stays) < FRAMES:
            self._stays.append(time.monotonic() - self._went_in.popleft())
        return Gst.PadProbeReturn.OK

    def _unit(self, _pad: Any, info: Any) -> Any:
        buffer = info.get_buffer()
        if self._bytes < KEPT_BYTES:
            self._units.append(buffer.extract_dup(0, buffer.get_size()))
            self._bytes += buffer.get_size()
        if len(self._stays) >= FRAMES:
            self._loop.call_soon_threadsafe(self._enough.set)
        return Gst.PadProbeReturn.OK
