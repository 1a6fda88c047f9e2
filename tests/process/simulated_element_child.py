"""A process with the simulated vendor's element, as a lobby worker is: a command a line, an answer in JSON a line."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from steadycast.pipelines import debug_log
from steadycast.pipelines.caps import first_of
from steadycast.pipelines.gst import Gst
from steadycast.pipelines.simulated import register
from steadycast.vendors.simulated.driver import ELEMENT

WAIT_NS = 30 * Gst.SECOND


class Child:
    """Plays small pipelines with the encoder of these options."""

    def __init__(self, options: dict[str, str]) -> None:
        self.options = options
        self.finalised = 0
        self.kept: list[Any] = []
        debug_log.install()

    def load(self) -> dict[str, Any]:
        register(self.options)
        register(self.options)
        return {"found": Gst.ElementFactory.find(ELEMENT) is not None, "log": debug_log.since(0)}

    def play(self, frames: int, path: str) -> dict[str, Any]:
        """To the end or the first error, into a file."""
        with self.pipeline(f"filesink location={path}" if path else "fakesink", frames) as pipeline:
            encoder = pipeline.get_by_name("encoder")
            state = pipeline.set_state(Gst.State.PLAYING)
            errors = [] if state == Gst.StateChangeReturn.FAILURE else self.to_the_end(pipeline)
            errors += self.errors(pipeline)
            answer = {"state": state.value_nick, "errors": errors, "memory": encoder.get_property("memory")}
            pipeline.set_state(Gst.State.NULL)
            del encoder
        return answer | {"log": debug_log.since(0)[-2:]}

    def resize(self) -> dict[str, Any]:
        """Two sizes in one stream: the names of errors, and how many samples came of each size."""
        with self.pipeline("appsink name=out sync=false", 0) as pipeline:
            sink, size = pipeline.get_by_name("out"), pipeline.get_by_name("size")
            widths: list[int] = []
            for width in (320, 160):
                size.set_property("caps", Gst.Caps.from_string(f"video/x-raw,format=I420,width={width},height=120"))
                pipeline.set_state(Gst.State.PLAYING)  # after the first size, or two sizes are agreed on at once
                while widths.count(width) < 5:
                    sample = sink.emit("try-pull-sample", WAIT_NS)
                    if sample is None:
                        errors = self.errors(pipeline) or [["no sample"]]
                        pipeline.set_state(Gst.State.NULL)
                        return {"widths": widths, "errors": errors}
                    widths.append(first_of(sample.get_caps()).get_int("width").value)
                    del sample
            errors = self.errors(pipeline)
            pipeline.set_state(Gst.State.NULL)
            del sink, size
        return {"widths": sorted(set(widths)), "errors": errors}

    def rate(self) -> dict[str, Any]:
        """Mean bytes of a frame before and after the bitrate was changed while PLAYING."""
        with self.pipeline("appsink name=out sync=false max-buffers=1", 0, "pattern=snow") as pipeline:
            sink, encoder = pipeline.get_by_name("out"), pipeline.get_by_name("encoder")
            pipeline.set_state(Gst.State.PLAYING)
            means = []
            for kbps in (8000, 300):
                encoder.set_property("bitrate", kbps)
                sizes = []
                for _ in range(60):
                    sample = sink.emit("try-pull-sample", WAIT_NS)
                    sizes.append(sample.get_buffer().get_size())
                    del sample
                means.append(sum(sizes[-20:]) / 20)
            pipeline.set_state(Gst.State.NULL)
            del sink, encoder
        return {"means": means}

    def keep(self) -> dict[str, Any]:
        """Leave one playing."""
        pipeline = self.made("fakesink", 0)
        pipeline.set_state(Gst.State.PLAYING)
        errors = [] if pipeline.get_state(WAIT_NS)[0] == Gst.StateChangeReturn.SUCCESS else self.errors(pipeline)
        self.kept.append(pipeline)
        return {"errors": errors}

    def drop(self) -> dict[str, Any]:
        while self.kept:
            self.kept.pop().set_state(Gst.State.NULL)
        return {}

    def rounds(self, count: int) -> dict[str, Any]:
        """How many were played, how many of them ended with an error, and how many were gone afterwards."""
        self.finalised = failed = 0
        for _ in range(count):
            failed += bool(self.play(5, "")["errors"])
        gc.collect()
        return {"played": count, "failed": failed, "finalised": self.finalised}

    @contextmanager
    def pipeline(self, sink: str, frames: int, source: str = "") -> Iterator[Any]:
        pipeline = self.made(sink, frames, source)
        try:
            yield pipeline
        finally:
            pipeline.get_bus().set_flushing(True)

    def made(self, sink: str, frames: int, source: str = "") -> Any:
        chosen = " ".join(f"{name}={value}" for name, value in self.options.items())
        pipeline = Gst.parse_launch(
            f"videotestsrc num-buffers={frames or -1} {source} ! videoconvert ! videoscale ! capsfilter name=size"
            f" caps=video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! {ELEMENT} name=encoder {chosen}"
            " bitrate=500 gop-size=10 zerolatency=true"
            f" ! video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au ! {sink}"
        )
        pipeline.get_by_name("encoder").weak_ref(self.gone)
        return pipeline

    def gone(self) -> None:
        self.finalised += 1

    def to_the_end(self, pipeline: Any) -> list[list[Any]]:
        message = pipeline.get_bus().timed_pop_filtered(WAIT_NS, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        return [told(message)] if message is None or message.type == Gst.MessageType.ERROR else []

    def errors(self, pipeline: Any) -> list[list[Any]]:
        messages = iter(lambda: pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR), None)
        return [told(message) for message in messages]


def told(message: Any) -> list[Any]:
    """Who said it, domain, code, text, the last line of the debug text."""
    if message is None:
        return ["nobody", "", 0, "", ""]
    error, debug = message.parse_error()
    return [message.src.get_factory().get_name(), error.domain, error.code, error.message, debug.splitlines()[-1]]


def main() -> None:
    child = Child(json.loads(sys.argv[1]))
    for line in sys.stdin:
        name, *values = json.loads(line)
        sys.stdout.write(json.dumps(getattr(child, name)(*values)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
