"""A real lobby worker whose pipeline hangs, in the way that `ForceKeyframe.track` says."""

from __future__ import annotations

import threading
import time
from typing import Any

from steadycast.pipelines.gst import Gst
from steadycast.workers.channel import Descriptors
from steadycast.workers.child import Parent, run_child
from steadycast.workers.lobby_child import LobbyBody


class Stuck(Gst.Element):  # type: ignore[misc]
    """As a driver that waits for a device that is gone."""

    __gtype_name__ = "SteadycastTestStuck"

    def do_change_state(self, transition: Any) -> Any:
        while True:
            time.sleep(1)


class StuckBody(LobbyBody):
    def __init__(self, parent: Parent) -> None:
        self._lock = threading.Lock()
        super().__init__(parent)

    def on_message(self, message: Any, fds: Descriptors) -> None:
        match getattr(message, "track", None):
            case "change a state":
                element = Stuck()
                element.set_name("the-stuck-one")
                self._graph().add(element)
                element.set_state(Gst.State.PLAYING)
            case "wait for a lock":
                self._lock.acquire()
                self._lock.acquire()
            case "block":
                assert self._pipeline is not None
                pad = self._pipeline._stage.tracks["copy"].branch.element("payloader").get_static_pad("src")
                pad.add_probe(Gst.PadProbeType.BLOCK_DOWNSTREAM, lambda *_: Gst.PadProbeReturn.OK)

    def _graph(self) -> Any:
        with self._lock:  # as one of GStreamer's, which whoever draws needs as well
            return super()._graph()


if __name__ == "__main__":
    run_child("lobby", StuckBody)
