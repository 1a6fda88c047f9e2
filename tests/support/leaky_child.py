"""A lobby worker without pictures that keeps a thread and a pipe of every rendition whose name says so."""

from __future__ import annotations

import os
import threading
from typing import Any

from steadycast.errors import CallerError
from steadycast.workers.channel import Descriptors
from steadycast.workers.child import Parent, run_child
from steadycast.workers.messages import CloseRendition, OpenRendition
from steadycast.workers.messages.stock import LobbyStock, Stock

LEAKY = "leaky"


class Leaky:
    """Each rendition has a thread and a pipe."""

    def __init__(self, parent: Parent) -> None:
        self._open: dict[str, tuple[threading.Thread, threading.Event, tuple[int, int]]] = {}

    def on_message(self, message: Any, fds: Descriptors) -> None:
        return

    async def on_request(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        match message:
            case OpenRendition():
                end = threading.Event()
                thread = threading.Thread(target=end.wait, daemon=True)
                thread.start()
                self._open[message.instance] = thread, end, os.pipe()
            case CloseRendition():
                thread, end, pipe = self._open.pop(message.name)
                if LEAKY not in message.name:
                    end.set()
                    thread.join()
                    for one in pipe:
                        os.close(one)
            case _:
                raise CallerError("child.request", f"not for this worker: {message}")
        return {}

    def statistics(self) -> dict[str, Any]:
        return {"tracks": {name: {"readers": 0} for name in self._open}}

    def stock(self, after: int) -> tuple[Stock, int | None]:
        return LobbyStock(), None

    async def close(self) -> None:
        return


if __name__ == "__main__":
    run_child("lobby", Leaky)
