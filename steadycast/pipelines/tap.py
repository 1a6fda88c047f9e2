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
from steadycast.pipelines.times import running_time

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
            shown = max((running_time(source, unit) or 0 for unit in units), default=0)
            self._branch.bin.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, _drop_until(shown))
        self._branch.start()
        for kind in _STICKY if units else ():
            sink.send_event(source.get_sticky_event(kind, 0))
        for unit in units:
            sink.chain(unit)
        self._branch.link()

    async def close(self) -> None:
        await self._branch.close()


class Decoding:
    """Of one stage: a tap while it is needed, and where the source is not raw anyway."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._tap: Tap | None = None

    async def settle(self, *, needed: bool) -> None:
        """One at a time. Raises DeadlineError as `Tap.open`; where the decoder does not end, the process must."""
        if needed and self._tap is None and self._stage.codec is not None:
            tap = Tap(self._stage, self._stage.codec)
            await tap.open()
            self._tap = tap
        elif not needed and self._tap is not None:
            tap, self._tap = self._tap, None
            await tap.close()

    def forget(self) -> None:
        """Drop what Python holds of the elements; the pipeline is in NULL."""
        self._tap = None


def _drop_until(shown: int) -> Any:
    def passed(pad: Any, info: Any) -> Any:
        late = (running_time(pad, info.get_buffer()) or 0) <= shown
        return Gst.PadProbeReturn.DROP if late else Gst.PadProbeReturn.REMOVE

    return passed
