"""The way from pictures that were pushed into the pipeline: an appsrc that never holds more than two."""

from __future__ import annotations

from typing import Any

from steadycast.frames import Layout
from steadycast.pipelines.gst import Gst
from steadycast.pipelines.parts import Chain, Part


def pushed_pictures(layout: Layout, fps: int) -> Chain:
    """The source. An appsrc is bounded only where it leaks or blocks: it emits `enough-data`, and queues on."""
    caps = f"video/x-raw,format={layout.format},width={layout.width},height={layout.height}"
    return (
        Part(
            "appsrc",
            {
                "caps": f"{caps},framerate={fps}/1,pixel-aspect-ratio=1/1",
                "is-live": "true",
                "format": "time",
                "block": "false",
                "leaky-type": "downstream",
                "max-buffers": "2",
                "max-bytes": "0",
                "max-time": "0",
            },
            "behind it each rendition has a queue that leaks, so it is full only for a moment",
        ),
    )


class Output:
    """Shows pictures, and the last one again."""

    def __init__(self, element: Any, fps: int, first: Any) -> None:
        self._element = element
        self._duration = Gst.SECOND // fps
        self._last = first

    def running(self) -> int | None:
        """Running time of the pipeline, in nanoseconds; None before it plays."""
        clock = self._element.get_clock()
        if clock is None or self._element.current_state != Gst.State.PLAYING:
            return None
        return max(0, int(clock.get_time()) - int(self._element.get_base_time()))

    def show(self, picture: Any, at: int) -> None:
        """Show this one at this running time, and keep it as the last."""
        self._last = picture
        self.again(at)

    def again(self, at: int) -> None:
        """Show the last one at this running time."""
        buffer = self._last.copy_region(Gst.BufferCopyFlags.MEMORY, 0, self._last.get_size())
        buffer.pts = at
        buffer.duration = self._duration
        self._element.emit("push-buffer", buffer)

    def part(self) -> None:
        """Keep the last one in memory of its own: a staging buffer is not held by it any more."""
        self._last = self._last.copy_deep()

    @property
    def last(self) -> Any:
        """The last picture."""
        return self._last

    def forget(self, instead: Any) -> None:
        """The last picture is this one."""
        self._last = instead
