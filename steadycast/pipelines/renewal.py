"""The first picture after a rest: nothing from before it leaves the encoder, and what leaves it can be decoded.

An encoder that was fed nothing may still hold pictures from before: in the queue in front of it, in a converter that
repeats the last one, in the encoder itself. They are not flushed out by an event, which drivers answer as they like,
but told by their time: what was shown before the first picture that came in afterwards is thrown away behind the
encoder.
"""

from __future__ import annotations

import asyncio
from typing import Any

from steadycast.errors import DeadlineError
from steadycast.model import Codec
from steadycast.patience import patience
from steadycast.pipelines.branch import Branch
from steadycast.pipelines.gst import Gst, GstVideo
from steadycast.pipelines.soundness import flaw
from steadycast.pipelines.teardown import Disposer, tell
from steadycast.pipelines.times import running_time

UNITS_MAX = 64  # parts of a keyframe that are looked at: parameter sets, slices
PASS_S = 2.0  # for a frame that leaves the encoder to be in the sink


class Renewal:
    """Made before the branch is fed again, and disposed of when it is over.

    `fresh` is done when the first keyframe came: what is wrong with it, or None. No frame passes before it. Each value
    below is written by one streaming thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, codec: Codec, branch: Branch) -> None:
        self.fresh: asyncio.Future[str | None] = loop.create_future()
        self._loop = loop
        self._codec = codec
        self._disposer = Disposer()
        self._fed: int | None = None  # when the first new picture is shown, in nanoseconds
        self._asked: int | None = None  # when the one is shown that is to be a keyframe
        self._passes = False
        self._told = False
        self._units: list[bytes] = []
        encoder = branch.element("encoder")
        buffers = Gst.PadProbeType.BUFFER
        self._disposer.probe(branch.bin.get_static_pad("sink"), buffers, self._comes)
        self._disposer.probe(encoder.get_static_pad("sink"), buffers, self._goes_in)
        self._disposer.probe(encoder.get_static_pad("src"), buffers, self._comes_out)
        self._disposer.probe(branch.element("payloader").get_static_pad("sink"), buffers, self._is_packed)

    def dispose(self) -> None:
        """Everything passes from now on."""
        self._disposer.dispose()

    def _comes(self, pad: Any, info: Any) -> Any:
        if self._fed is None:
            self._fed = running_time(pad, info.get_buffer())
            if self._fed is None:
                self._tell("pictures of this source have no time, so old ones cannot be told from new ones")
        return Gst.PadProbeReturn.OK

    def _goes_in(self, pad: Any, info: Any) -> Any:
        shown = running_time(pad, info.get_buffer())
        if self._asked is None and self._fed is not None and shown is not None and shown >= self._fed:
            self._asked = shown
            event = GstVideo.video_event_new_upstream_force_key_unit(Gst.CLOCK_TIME_NONE, False, 0)
            pad.get_parent().get_static_pad("src").send_event(event)  # no pad is held here: a probe would never let go
        return Gst.PadProbeReturn.OK

    def _comes_out(self, pad: Any, info: Any) -> Any:
        if self._passes:
            return Gst.PadProbeReturn.OK
        buffer = info.get_buffer()
        shown = running_time(pad, buffer)
        is_new = self._asked is not None and shown is not None and shown >= self._asked
        self._passes = is_new and not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        return Gst.PadProbeReturn.OK if self._passes else Gst.PadProbeReturn.DROP

    def _is_packed(self, pad: Any, info: Any) -> Any:
        """Parsers give parameter sets and slices together or one by one."""
        if self._told:
            return Gst.PadProbeReturn.OK
        if not self._passes:
            return Gst.PadProbeReturn.DROP
        buffer = info.get_buffer()
        over = buffer.has_flags(Gst.BufferFlags.DELTA_UNIT) or len(self._units) == UNITS_MAX
        if not over:
            self._units.append(buffer.extract_dup(0, buffer.get_size()))
        lacks = flaw(self._codec, self._units)
        if lacks is None or over:
            self._tell(lacks)
        return Gst.PadProbeReturn.OK

    def _tell(self, what: str | None) -> None:
        if not self._told:
            self._told = True
            tell(self._loop, _settle, self.fresh, what)


async def passed(branch: Branch) -> None:
    """Wait until what left the encoder is in the sink. Raises DeadlineError."""
    loop = asyncio.get_running_loop()
    pad, idle = branch.element("encoder").get_static_pad("src"), loop.create_future()

    def told(_pad: Any, _info: Any) -> Any:
        tell(loop, _settle, idle, None)
        return Gst.PadProbeReturn.REMOVE

    number = pad.add_probe(Gst.PadProbeType.IDLE, told)
    try:
        async with patience(PASS_S):
            await idle
    except TimeoutError:
        pad.remove_probe(number)
        raise DeadlineError("gstreamer.stuck", f"{branch.name} did not come to rest") from None


def _settle(future: asyncio.Future[str | None], value: str | None) -> None:
    if not future.done():
        future.set_result(value)
