"""A real lobby worker and real producers: fast, slow, wrong, killed, hostile; looked at from outside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from steadycast.errors import CallerError, ConflictError
from steadycast.frames.messages import LONGEST, TO_PRODUCER, VERSION, Bye, Come, Frame, Refused, Welcome, pack, unpack
from steadycast.model import PushSource
from steadycast.pipelines.staging.slots import LEAST
from steadycast.push.link import Link
from steadycast.workers.messages import Press
from tests.support import outside
from tests.support.lobby_worker import Lobby, lobby_worker

pytestmark = pytest.mark.process
WAIT_S = 30.0
SOURCE = PushSource(width=640, height=360, fps=60, format="RGBA")
ROUNDS = 50


@dataclass
class House:
    """A worker that shows a push source, with the path that its producers come to."""

    lobby: Lobby
    path: str

    @property
    def told(self) -> dict[str, Any]:
        """The push part of its last heartbeat."""
        return dict(self.lobby.worker.statistics["source"]["push"])

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.lobby.worker.pid)

    def memfds(self) -> int:
        links = Path(f"/proc/{self.lobby.worker.pid}/fd").iterdir()
        targets = []
        for link in links:
            with contextlib.suppress(OSError):
                targets.append(str(link.readlink()))
        return sum("steadycast-push" in target for target in targets)

    async def until(self, **wanted: Any) -> dict[str, Any]:
        await outside.until(lambda: all(self.told[name] == value for name, value in wanted.items()), WAIT_S)
        return self.told


@contextlib.asynccontextmanager
async def house(runtime: Path, source: PushSource = SOURCE) -> AsyncIterator[House]:
    async with lobby_worker(runtime) as lobby:
        await lobby.show(source)
        ready = await lobby.shows()  # black, before anybody came
        assert (ready.width, ready.height, ready.fps) == (source.width, source.height, source.fps)
        await outside.until(lambda: lobby.worker.statistics.get("source", {}).get("push"), WAIT_S)
        yield House(lobby, lobby.worker.statistics["source"]["push"]["address"])


@contextlib.contextmanager
def producer(path: str) -> Iterator[Link]:
    link = Link(path, WAIT_S)
    try:
        yield link
    finally:
        link.close()


def push(link: Link, count: int, seconds: float = WAIT_S) -> int:
    """So many pictures, as fast as slots are free; how many were sent until the time is over."""
    end = time.monotonic() + seconds
    for number in range(count):
        slot = link.take(end)
        if slot is None:
            return number
        with link.view(slot) as view:
            view[:4] = number.to_bytes(4, "little")
        link.send(Frame(slot))
    return count


async def test_one_that_is_too_fast_waits_and_makes_nothing_grow(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        assert outside.mode_of(one.path) == 0o600
        with producer(one.path) as link:
            await asyncio.to_thread(push, link, 20)
            before, began = one.process.memory_full_info(), time.monotonic()
            await asyncio.to_thread(push, link, 45)
            took, after = time.monotonic() - began, one.process.memory_full_info()
            assert took > 40 / SOURCE.fps, "it was not held back"
            # 45 pictures are 41 MB; what is there are 4 buffers of 0.9 MB.
            assert after.uss + after.pss - before.uss - before.pss < 20e6
            assert one.memfds() == SOURCE.buffers
            with pytest.raises(ConflictError, match=str(os.getpid())):
                Link(one.path, WAIT_S)
        told = await one.until(producer=None, producers=1)
        assert (told["shown"] >= 62, told["refused"], told["lent"]) == (True, {}, 0)
        frames = one.lobby.worker.statistics["source"]["frames"]
        await outside.until(lambda: one.lobby.worker.statistics["source"]["frames"] >= frames + 3, WAIT_S)
        assert one.lobby.failed is None, "without a producer the last picture goes on"


async def test_killed_producers_leave_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        words = [sys.executable, "-m", "tests.support.pushing_child", one.path, str(ROUNDS + 1)]
        child = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        assert child.stdout is not None
        async with asyncio.timeout(2 * WAIT_S):
            assert await child.stdout.readline() == b"4\n"
            held = one.process.num_fds()
            lines = [line async for line in child.stdout]
            await child.wait()
        assert lines == [b"4\n"] * ROUNDS, "a producer that was killed kept slots from the next"
        told = await one.until(producer=None, producers=ROUNDS + 1, lent=0)
        assert told["kept"] == SOURCE.buffers
        assert one.memfds() == SOURCE.buffers
        assert one.process.num_fds() <= held + 1  # the connection of the first may have been open then


def ask(sock: socket.socket, data: bytes) -> Any:
    sock.sendall(data)
    answer = sock.recv(LONGEST)
    return unpack(answer, TO_PRODUCER) if answer else None


def raw(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(WAIT_S)
    sock.connect(path)
    return sock


def talk_nonsense(path: str) -> None:
    """Everything that a producer may get wrong on the wire is said to it, and leaves it or ends it."""
    with producer(path) as link:
        first = link.take(time.monotonic() + WAIT_S)
        assert first is not None
        size = link.layout.size
        for frame, code in (
            (Frame(first, 5_000_000_000), None),
            (Frame(first, 4_000_000_000), "push.backwards"),
            (Frame(first, -1), "push.pts"),
            (Frame(first, 6_000_000_000, size - 1), "push.size"),
            (Frame(first, 6_000_000_000, size, 3), "push.stride"),
        ):
            slot = link.take(time.monotonic() + WAIT_S)
            assert slot is not None
            link.send(Frame(slot, frame.pts, frame.size, frame.stride))
            if code is not None:
                while not link.refused:
                    link._poll(WAIT_S)
                    link._hear()
                said: Refused = link.refused.popleft()
                assert (said.code, said.slot, bool(said.hint)) == (code, slot, True)
    for data, code in (
        (pack(Frame(1)), "push.order"),
        (b"\x00\xff", "push.message"),
        (b'{"type":"come","version":99}', "push.version"),
    ):
        with raw(path) as sock:
            said_bye = ask(sock, data)
            assert isinstance(said_bye, Bye) and said_bye.code == code
            assert sock.recv(LONGEST) == b""
    come = pack(Come(VERSION))
    for data, code in (
        (come, "push.order"),
        (pack(Frame(10**9)), "push.slot"),
        (b'{"type":"frame","slot":1,"pts":NaN}', "push.message"),
    ):
        with raw(path) as sock:
            assert isinstance(ask(sock, come), Welcome)
            answer = ask(sock, data)
            assert isinstance(answer, Bye) and answer.code == code, answer


async def test_nonsense_is_answered_and_the_next_one_is_served(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        await asyncio.to_thread(talk_nonsense, one.path)
        with producer(one.path) as link:
            assert len(link._maps) == SOURCE.buffers
            assert await asyncio.to_thread(push, link, 5) == 5
        refused = (await one.until(producers=5, producer=None))["refused"]
        expected = {"push.backwards": 1, "push.pts": 1, "push.size": 1, "push.stride": 1, "push.slot": 1}
        assert refused == expected
        with pytest.raises(CallerError, match="not on this machine"):
            Link(str(tmp_path / "elsewhere" / "x.push"), 1)


async def test_memory_is_given_back_where_it_is_short(tmp_path: Path) -> None:
    async with house(tmp_path, PushSource(width=640, height=360, fps=60, buffers=8)) as one:
        with producer(one.path) as link:
            assert len(link._maps) == 8
            one.lobby.worker.post(Press(2))
            end = time.monotonic() + WAIT_S
            while len(link._maps) > LEAST and time.monotonic() < end:
                await asyncio.to_thread(push, link, 4)
            assert len(link._maps) == LEAST == one.memfds()
            assert await asyncio.to_thread(push, link, 10) == 10
        await one.until(producer=None, producers=1, lent=0, kept=0)
        await outside.until(lambda: one.memfds() == 0, WAIT_S)
