"""A real lobby worker with an element whose change of state never comes back: on the event loop, at an order."""

from __future__ import annotations

import time
from typing import Any

from steadycast.pipelines.gst import Gst
from steadycast.workers.channel import Descriptors
from steadycast.workers.child import run_child
from steadycast.workers.lobby_child import LobbyBody
from steadycast.workers.messages import ForceKeyframe


class Stuck(Gst.Element):  # type: ignore[misc]
    """As a driver that waits for a device that is gone."""

    __gtype_name__ = "SteadycastTestStuck"

    def do_change_state(self, transition: Any) -> Any:
        while True:
            time.sleep(1)


class StuckBody(LobbyBody):
    def on_message(self, message: Any, fds: Descriptors) -> None:
        if isinstance(message, ForceKeyframe) and message.track == "hang":
            pipeline = self._graph()
            element = Stuck()
            element.set_name("the-stuck-one")
            pipeline.add(element)
            element.set_state(Gst.State.PLAYING)


if __name__ == "__main__":
    run_child("lobby", StuckBody)
