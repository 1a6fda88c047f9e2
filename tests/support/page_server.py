"""The page and the real API over lobbies in memory, in a thread of its own.

By hand: `python -m tests.support.page_server`.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import uvicorn

from steadycast.api.app import Extras, create_app
from steadycast.config.settings import AuthSettings, LobbySettings, Settings, SourceSettings
from steadycast.dashboard.files import page_files
from steadycast.lobbies.lobbies import Lobbies
from steadycast.model import DesktopSource, FileSource, LobbyState, Protocol, Rendition, RtspSource, TestSource
from steadycast.upkeep.upkeep import Upkeep
from tests.support.memory_upkeep import MemoryUpkeep
from tests.support.page_lobbies import PageLobbies, receipt

T = TypeVar("T")
DEADLINE_S = 30.0


class PageServer:
    """Serves until `close`. `call` runs a coroutine in its loop, `at` an address in it."""

    def __init__(self, token: str | None = None, port: int = 0, upkeep: MemoryUpkeep | None = None) -> None:
        self.lobbies = PageLobbies()
        self.upkeep = upkeep
        self._token = token
        self._loop = asyncio.new_event_loop()
        self._start(port)

    def _start(self, port: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        sources = SourceSettings(applications={"clock": ("xclock",), "editor": ("xedit",)})
        auth = AuthSettings.model_validate({"token": self._token})
        settings = Settings(auth=auth, port=self.port, sources=sources)
        more = Extras(upkeep=cast(Upkeep, self.upkeep)) if self.upkeep is not None else None
        app = create_app(cast(Lobbies, self.lobbies), settings, files=page_files, more=more)
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.wait(lambda: self._server.started, "the server started")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve([self._socket]))

    def wait(self, condition: Any, what: str) -> None:
        """Wait until `condition()` holds."""
        end = time.monotonic() + DEADLINE_S
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < end, f"not within {DEADLINE_S:g} s: {what}"
            pause.wait(0.02)

    def at(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)

    def do(self, work: Any, *args: Any, **named: Any) -> Any:
        """Call a plain function in the server's loop."""

        async def run() -> Any:
            return work(*args, **named)

        return self.call(run())

    def stop(self) -> None:
        """The host goes away; its port stays known for `start`."""
        self.do(self.lobbies.events.close)
        self._server.should_exit = True
        self._thread.join(DEADLINE_S)
        self._socket.close()

    def start(self) -> None:
        """The host comes back, its events counted anew."""
        lobbies = self.lobbies
        self.lobbies = PageLobbies()
        self.lobbies.views = lobbies.views
        self._loop = asyncio.new_event_loop()
        self._start(self.port)

    def close(self) -> None:
        async def end() -> None:
            for viewer in list(self.lobbies.peers):
                await self.lobbies.end_viewer(viewer, "the test ended")

        self.call(end())
        self.stop()


def furnish(lobbies: PageLobbies) -> None:
    """A host as it may look on a Tuesday."""
    day = 86_400.0
    now = time.time()
    clock = lobbies.add(
        LobbySettings(key="desk", name="Ticket desk", source=DesktopSource(application="clock"), renditions=(
            Rendition("main"), Rendition("small", width=640, height=360, fps=15, bitrate_kbps=600)))
    )  # fmt: skip
    lobbies.add(LobbySettings(key="test", name="Test picture", source=TestSource()), since=now - 42, created=now - 50)
    lobbies.add(LobbySettings(name="Opening film, the long cut with the credits of everybody who ever worked here",
                              source=FileSource("/srv/video/opening/2026/final/bigbuckbunny.mp4")),
                since=now - day * 3, created=now - day * 3)  # fmt: skip
    lobbies.add(LobbySettings(key="gate-west", name="Gate west", source=RtspSource("rtsp://***@10.4.1.17:554/h264/ch1/main")),
                since=now - 7300, created=now - day * 9)  # fmt: skip
    camera = lobbies.add(
        LobbySettings(key="gate-east", name="Gate east", source=RtspSource("rtsp://***@10.4.1.18/stream"))
    )
    lobbies.add(LobbySettings(name="Warehouse", source=RtspSource("rtsp://10.4.1.30/av0")), LobbyState.STARTING)
    lobbies.move(
        camera.id,
        LobbyState.DEGRADED,
        "401 from the camera at 10.4.1.18: it did not take the user name and password of this lobby. The last picture "
        "came 3 minutes ago; before that it had streamed without a break for 9 days.",
        hint="Make the lobby again with the right password, or set it in the camera. It is tried again meanwhile.",
        retry_at=now + 11,
        restarts=4,
    )
    lobbies.join(clock.id, Protocol.RTSP, "192.168.40.21:51544")
    lobbies.join(clock.id, Protocol.WHEP, "192.168.40.112:60211")
    lobbies.kept.extend([receipt(901, "L0099"), receipt(902, "L0098", clean=False)])
    lobbies.events.publish("worker", "worker.died", lobby=camera.id, why="The lobby worker was ended by SIGKILL.")


if __name__ == "__main__":
    server = PageServer(port=8899)
    server.do(furnish, server.lobbies)
    threading.Event().wait()
