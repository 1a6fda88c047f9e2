"""Programs push pictures into a lobby: what is pushed is what a player decodes, whatever dies or is replaced."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import steadycast
from steadycast.errors import CallerError, ConflictError, SteadycastError
from steadycast.push import Push
from tests.support.host import Host, running_host, wait_for

pytestmark = pytest.mark.process
ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "push.py"
SIZE = (640, 360)
GREEN, RED, BLUE = (0, 200, 0), (200, 0, 0), (0, 0, 200)
Colour = tuple[int, int, int]
CONFIG = """
[renditions]
linger_s = 0
"""


class Player:
    """ffmpeg, which decodes what RTSP sends into one pixel a picture: the mean of all."""

    def __init__(self, url: str) -> None:
        words = ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", url, "-vf", "scale=1:1:flags=area"]
        words += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.seen: list[Colour] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while len(pixel := self.process.stdout.read(3)) == 3:
            self.seen.append((pixel[0], pixel[1], pixel[2]))

    def until(self, colour: Colour) -> None:
        """Wait until it shows a picture of this colour."""
        wait_for(f"{colour} on the screen", lambda: bool(self.seen) and near(self.seen[-1], colour))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reading.join()


def near(one: Colour, other: Colour) -> bool:
    return all(abs(a - b) < 25 for a, b in zip(one, other, strict=True))


class Painter:
    """A program that pushes one colour as fast as it may, on a thread of its own."""

    def __init__(self, out: Push) -> None:
        self.colour: Colour = GREEN
        self.error: SteadycastError | None = None
        self.pushed = 0
        self._out = out
        self._over = threading.Event()
        self._painting = threading.Thread(target=self._paint)
        self._painting.start()

    def _paint(self) -> None:
        while not self._over.is_set():
            try:
                self.pushed += self._out.frame(np.full((*SIZE[::-1], 3), self.colour, np.uint8), timeout_s=30)
            except SteadycastError as error:
                self.error = error
                return

    def stop(self) -> None:
        self._over.set()
        self._painting.join()


@contextlib.contextmanager
def pushing(host: Host) -> Iterator[tuple[Push, Painter]]:
    with steadycast.Push(host.url, key="bar", size=SIZE) as out:
        painter = Painter(out)
        try:
            yield out, painter
        finally:
            painter.stop()


def pushed(host: Host) -> dict[str, Any]:
    """What is told of it; nothing while there is no lobby, or no worker of it yet."""
    found = [lobby["push"] for lobby in host.get("/api/v1/lobbies")["items"] if lobby["key"] == "bar"]
    return dict(found[0]) if found and found[0] else {"producer": None, "shown": 0, "says": "", "address": ""}


def test_a_program_pushes_and_nothing_that_happens_is_seen_but_as_a_pause() -> None:
    with running_host(CONFIG) as host:
        run_the_example(host)
        with pushing(host) as (out, painter), contextlib.closing(Player(f"{host.rtsp}/bar")) as player:
            player.until(GREEN)
            first = len(player.seen)
            address = pushed(host)["address"]
            done = host.request("POST", "/api/v1/lobbies/bar/recycle", {})
            assert done["made_before_break"], done
            painter.colour = RED
            player.until(RED)
            black = [colour for colour in player.seen[first:] if max(colour) < 100]
            assert not black, "the one that took over began without the picture of the one before"
            wait_for("the producer at the new worker", lambda: pushed(host)["producer"] == os.getpid())
            assert pushed(host)["address"] != address
            for process in host.workers("lobby"):
                if process.pid in host.lobby("bar")["workers"]:
                    process.kill()
            painter.colour = BLUE
            player.until(BLUE)
            assert player.process.poll() is None
            assert painter.error is None
            painter.stop()
            refuse_what_is_wrong(host, out)
            host.delete("bar")
            with pytest.raises(SteadycastError) as caught:
                out.frame(bytes(out.layout.tight))
            assert caught.value.code == "lobby.unknown"
        assert not [path for path in (host.runtime / "workers").iterdir() if path.suffix == ".push"]


def run_the_example(host: Host) -> None:
    """What the documentation shows, killed while it pushes: its last picture is held."""
    text = (ROOT / "docs" / "push.md").read_text()
    assert EXAMPLE.read_text().partition('"""\n\n')[2] in text, "docs/push.md shows another example"
    child = subprocess.Popen([sys.executable, str(EXAMPLE), host.url], env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        wait_for("the example pushes", lambda: pushed(host)["producer"] == child.pid and pushed(host)["shown"] > 5)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    wait_for("its end", lambda: pushed(host)["producer"] is None and "held" in pushed(host)["says"])
    assert host.lobby("bar")["state"] == "STREAMING"


def refuse_what_is_wrong(host: Host, out: Push) -> None:
    good = np.zeros((*SIZE[::-1], 3), np.uint8)
    for wrong, pts, code in (
        (good[:100], None, "push.size"),
        (good.astype(float), None, "push.picture"),
        (good, float("nan"), "push.pts"),
        (good, -1.0, "push.pts"),
    ):
        with pytest.raises(CallerError) as caught:
            out.frame(wrong, pts)
        assert (caught.value.code, bool(caught.value.hint)) == (code, True)
    assert out.frame(good, 5.0)
    with pytest.raises(CallerError, match=r"4\.000000"):
        out.frame(good, 4.0)
    with pytest.raises(ZeroDivisionError), out.drawing() as view:
        view[:3] = b"abc"
        raise ZeroDivisionError
    sent = [out.frame(good, drop=True) for _ in range(200)]
    assert False in sent, "200 pictures at once found a slot each"
    assert out.frame(good), "what was dropped kept the slots"
    with pytest.raises(ConflictError, match="640"):
        Push(host.url, key="bar", size=(320, 240))
    with pytest.raises(ConflictError, match=str(psutil.Process().pid)):
        Push(host.url, key="bar", size=SIZE)
