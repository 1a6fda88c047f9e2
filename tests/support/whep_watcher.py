"""A WHEP viewer in a thread of its own: it connects, decrypts and counts for as long as a test does something else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import urllib.request
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from tests.support.host import Host, wait_for
from tests.support.webrtc_viewer import LightViewer

T = TypeVar("T")
DEADLINE_S = 30.0


class WhepWatcher:
    """`path` is the address of its session at whichever host has it; `etag` is of its latest answer."""

    def __init__(self, host: Host, lobby: str) -> None:
        self.viewer = LightViewer()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        headers, answer = _send("POST", f"{host.url}/whep/{lobby}", self.viewer.offer(), "application/sdp")
        self.path, self.etag = headers["location"], headers["etag"]
        self._do(self.viewer.start(answer))

    @property
    def frames(self) -> int:
        """Whole pictures that came: packets with the marker."""
        return sum(packet.marker for packet in self.viewer.of(self.viewer.video_ssrc))

    def frames_more(self, frames: int) -> None:
        """Wait until so many more came."""
        wanted = self.frames + frames
        wait_for(f"{frames} more pictures over WHEP", lambda: self.frames >= wanted, DEADLINE_S)

    def check(self) -> None:
        """It was not told to go, and nothing is missing."""
        assert not self.viewer.closed
        for ssrc in (self.viewer.video_ssrc, self.viewer.audio_ssrc):
            assert not self.viewer.missing(ssrc)

    def restart(self, host: Host) -> None:
        """An ICE restart (PATCH) at this host, and a new socket."""
        viewer = self.viewer
        viewer.ufrag, viewer.pwd = f"fresh{viewer.ufrag[:8]}", f"fresh{viewer.pwd}"
        fragment = f"a=ice-ufrag:{viewer.ufrag}\r\na=ice-pwd:{viewer.pwd}\r\n"
        kind = "application/trickle-ice-sdpfrag"
        headers, answer = _send("PATCH", host.url + self.path, fragment, kind, self.etag)
        assert headers["etag"] != self.etag
        self.etag = headers["etag"]
        viewer.learn(answer)
        self._do(viewer.move())

    def leave(self, host: Host) -> None:
        """DELETE at this host; waits until the other side closed."""
        _send("DELETE", host.url + self.path)
        wait_for("the goodbye", lambda: self.viewer.closed, DEADLINE_S)

    def close(self) -> None:
        self._do(self._vanish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)
        self._loop.close()

    async def _vanish(self) -> None:
        self.viewer.vanish()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)


@contextlib.contextmanager
def whep_watching(host: Host, lobby: str) -> Iterator[WhepWatcher]:
    """Watches meanwhile."""
    watcher = WhepWatcher(host, lobby)
    try:
        yield watcher
    finally:
        watcher.close()


def _send(
    method: str, url: str, body: str | None = None, kind: str | None = None, etag: str | None = None
) -> tuple[dict[str, str], str]:
    headers = {name: value for name, value in (("Content-Type", kind), ("If-Match", etag)) if value is not None}
    request = urllib.request.Request(url, None if body is None else body.encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
        return {name.lower(): value for name, value in response.headers.items()}, response.read().decode()
