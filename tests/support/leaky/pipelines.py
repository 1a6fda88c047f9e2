"""GStreamer: pipelines that are never set to NULL, a pad probe that refers to its pipeline, an unbounded source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.leaky.kinds import Kind, Missing

_TEXT = "videotestsrc num-buffers=2 ! video/x-raw,width=64,height=48 ! identity name=middle ! fakesink"
_ROOM = 200_000  # bytes that a bounded source holds
_PIECE = bytes(20_000)


def gstreamer() -> Any:
    try:
        import gi

        gi.require_version("Gst", "1.0")
        from gi.repository import Gst
    except (ImportError, ValueError) as error:
        raise Missing(f"there is no GStreamer for Python: {error}") from error
    Gst.init(None)
    return Gst


class Pipelines:
    """Each cycle one pipeline plays to its end; the lost ones are left as they are then."""

    def __init__(self, size: int) -> None:
        self._gst = gstreamer()
        self._lost: list[Any] = []

    def cycle(self, lose: bool) -> None:
        pipeline = self._play()
        if lose:
            self._lost.append(pipeline)
        else:
            pipeline.set_state(self._gst.State.NULL)

    def close(self) -> None:
        while self._lost:
            self._lost.pop().set_state(self._gst.State.NULL)

    def _play(self) -> Any:
        gst = self._gst
        pipeline = gst.parse_launch(_TEXT)
        pipeline.set_state(gst.State.PLAYING)
        pipeline.get_bus().timed_pop_filtered(5 * gst.SECOND, gst.MessageType.EOS | gst.MessageType.ERROR)
        return pipeline


class Probes(Pipelines):
    """All are set to NULL, but a pad probe of a lost one refers to its pipeline and was not removed."""

    def cycle(self, lose: bool) -> None:
        gst = self._gst
        pipeline = gst.parse_launch(_TEXT)
        pad = pipeline.get_by_name("middle").get_static_pad("src")

        def probe(pad: Any, info: Any) -> Any:
            return gst.PadProbeReturn.OK if pipeline else gst.PadProbeReturn.REMOVE

        ident = pad.add_probe(gst.PadProbeType.BUFFER, probe)
        pipeline.set_state(gst.State.PLAYING)
        pipeline.get_bus().timed_pop_filtered(5 * gst.SECOND, gst.MessageType.EOS | gst.MessageType.ERROR)
        if not lose:
            pad.remove_probe(ident)
        pipeline.set_state(gst.State.NULL)


class Source:
    """A source that nobody takes from: in a lossy cycle it is given more although it is full."""

    def __init__(self, size: int) -> None:
        self._gst = gst = gstreamer()
        self._pipeline = gst.parse_launch("appsrc name=source max-bytes=200000 ! fakesink")
        self._source = self._pipeline.get_by_name("source")
        self._pipeline.set_state(gst.State.READY)

    def cycle(self, lose: bool) -> None:
        for _ in range(4):
            if lose or self._source.get_property("current-level-bytes") < _ROOM:
                self._source.emit("push-buffer", self._gst.Buffer.new_wrapped(_PIECE))

    def close(self) -> None:
        self._pipeline.set_state(self._gst.State.NULL)


KINDS: dict[str, Callable[[int], Kind]] = {"pipeline": Pipelines, "probe": Probes, "appsrc": Source}
