"""The decoder of a source that sends H.264 or H.265: there only while a rendition needs raw pictures."""

from __future__ import annotations

import asyncio
from typing import Any

from steadycast.errors import DeadlineError
from steadycast.model import Codec
from steadycast.pipelines.branch import Branch
from steadycast.pipelines.gst import Gst
from steadycast.pipelines.parts import decoder
from steadycast.pipelines.stage import Stage
from steadycast.pipelines.teardown import tell

OPEN_S = 3.0  # until the source's next frame
_STICKY = (Gst.EventType.STREAM_START, Gst.EventType.CAPS, Gst.EventType.SEGMENT)


class Tap:
    """A branch from the encoded to the raw tee, fed first with the group of pictures so far."""

    def __init__(self, stage: Stage, codec: Codec) -> None:
        self._stage = stage
        chain = decoder(codec, stage.limits.cpus)
        self._branch = Branch(stage.pipeline, stage.encoded, "decode", chain, stage.raw.get_static_pad("sink"))

    async def open(self) -> None:
        """Between two frames of the source. Raises DeadlineError where none comes; then nothing is open."""
        opened: asyncio.Future[None] = self._stage.loop.create_future()

        def action(units: tuple[Any, ...]) -> None:
            self._begin(units)
            tell(self._stage.loop, opened.set_result, None)

        self._stage.gop.between_frames(action)
        await asyncio.wait({opened}, timeout=OPEN_S)
        if not opened.done() and self._stage.gop.take_back():
            raise DeadlineError("source.stalled", f"the source sent no frame for {OPEN_S:g} s", retry_after=2)
        await opened

    def _begin(self, units: tuple[Any, ...]) -> None:
        """On the streaming thread. What was shown before is decoded, as the next frames refer to it, and not shown."""
        sink, source = self._branch.bin.get_static_pad("sink"), self._stage.encoded.get_static_pad("sink")
        if units:
            shown = max((_running_time(source, unit) for unit in units), default=0)
            self._branch.bin.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, _drop_until(shown))
        self._branch.start()
        for kind in _STICKY if units else ():
            sink.send_event(source.get_sticky_event(kind, 0))
        for unit in units:
            sink.chain(unit)
        self._branch.link()

    async def close(self) -> None:
        await self._branch.close()


def _drop_until(shown: int) -> Any:
    def passed(pad: Any, info: Any) -> Any:
        late = _running_time(pad, info.get_buffer()) <= shown
        return Gst.PadProbeReturn.DROP if late else Gst.PadProbeReturn.REMOVE

    return passed


def _running_time(pad: Any, buffer: Any) -> int:
    """In nanoseconds: time stamps themselves begin anew where a file turns. 0 where it is not known."""
    event = pad.get_sticky_event(Gst.EventType.SEGMENT, 0)
    if event is None or buffer.pts == Gst.CLOCK_TIME_NONE:
        return 0
    time = event.parse_segment().to_running_time(Gst.Format.TIME, buffer.pts)
    return 0 if time == Gst.CLOCK_TIME_NONE else int(time)
