"""The channel between real sockets: answers, descriptors, bounds, and peers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvloop

from steadycast.errors import CallerError, DeadlineError, NotFoundError, WorkerError
from steadycast.tracking import proc
from steadycast.workers.channel import MAX_FDS, MAX_QUEUED, Channel, Descriptors
from steadycast.workers.envelope import MAX_BYTES
from steadycast.workers.messages import AttachReader, BusLost, CloseRendition, ForceKeyframe, WhepOffer
from tests.support.jumping_loop import JumpingLoop, running

GENEROUS_S = 30


class End:
    """One end of a channel that writes down what it hears."""

    def __init__(self, sock: socket.socket, name: str) -> None:
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.answer: Callable[[Any, Descriptors], Awaitable[dict[str, Any]]] | None = None
        self.take = False
        self.taken: list[int] = []
        self.channel = Channel(sock, name, on_message=self._message, on_request=self._request)

    def _message(self, message: Any, fds: Descriptors) -> None:
        if self.take:
            self.taken += [fds.take() for _ in range(len(fds))]
        if isinstance(message, BusLost):
            raise KeyError("a bug in the handler")
        self.heard.put_nowait(message)

    async def _request(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        if self.answer is None:
            return {"seen": type(message).__name__, "fds": len(fds)}
        return await self.answer(message, fds)


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[tuple[End, End]]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ends = End(one, "worker a"), End(other, "the control plane")
    for end in ends:
        end.channel.start()
    try:
        yield ends
    finally:
        for end in ends:
            end.channel.close()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def raw_peer() -> AsyncIterator[tuple[End, socket.socket]]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end = End(one, "worker a")
    end.channel.start()
    with other:
        yield end, other
    end.channel.close()


def open_descriptors() -> int:
    found = proc.descriptors()
    assert found is not None
    return len(found)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(GENEROUS_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_posts_arrive_in_order() -> None:
    async with pair() as (a, b):
        for number in range(200):
            a.channel.post(ForceKeyframe(str(number)))
        heard = [(await b.heard.get()).track for _ in range(200)]
    assert heard == [str(number) for number in range(200)]


async def test_both_ends_ask_at_once() -> None:
    async with pair() as (a, b):
        answers = await asyncio.gather(
            *(end.channel.request(CloseRendition("x"), deadline=GENEROUS_S) for end in (a, b) for _ in range(50))
        )
    assert answers == [{"seen": "CloseRendition", "fds": 0}] * 100


def test_on_uvloop() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test_both_ends_ask_at_once())
        runner.run(test_a_descriptor_travels_and_is_ours_no_more())
        runner.run(test_a_peer_that_closes_fails_what_waits())


async def test_errors_keep_their_class_code_and_words() -> None:
    async def refuse(message: Any, fds: Descriptors) -> dict[str, Any]:
        raise CallerError("sdp.codecs", "no common codec", why="only VP8", hint="offer H.264", status=406)

    async with pair() as (a, b):
        b.answer = refuse
        with pytest.raises(CallerError) as caught:
            await a.channel.request(CloseRendition("x"), deadline=GENEROUS_S)
    assert (caught.value.code, caught.value.status) == ("sdp.codecs", 406)
    assert (caught.value.what, caught.value.why, caught.value.hint) == ("no common codec", "only VP8", "offer H.264")


async def test_a_bug_in_a_handler_is_an_answer() -> None:
    async def fail(message: Any, fds: Descriptors) -> dict[str, Any]:
        raise KeyError("bug")

    async with pair() as (a, b):
        b.answer = fail
        with pytest.raises(WorkerError) as caught:
            await a.channel.request(CloseRendition("x"), deadline=GENEROUS_S)
        assert caught.value.code == "internal"
        a.channel.post(BusLost("x"))
        a.channel.post(ForceKeyframe("after"))
        assert (await b.heard.get()).track == "after"


async def test_an_answer_too_large_is_told() -> None:
    async def shout(message: Any, fds: Descriptors) -> dict[str, Any]:
        return {"answer": "x" * MAX_BYTES}

    async with pair() as (a, b):
        b.answer = shout
        with pytest.raises(WorkerError, match="cannot be sent"):
            await a.channel.request(CloseRendition("x"), deadline=GENEROUS_S)


async def test_a_deadline_names_the_request() -> None:
    release = asyncio.Event()

    async def wait(message: Any, fds: Descriptors) -> dict[str, Any]:
        await release.wait()
        return {}

    async with pair() as (a, b):
        b.answer = wait
        with pytest.raises(DeadlineError, match=r"worker a did not answer CloseRendition within 0\.05 s"):
            await a.channel.request(CloseRendition("x"), deadline=0.05)
        release.set()  # the late answer harms nothing
        assert await a.channel.request(CloseRendition("y"), deadline=GENEROUS_S) == {}
        assert a.channel.statistics().pending == 0


async def test_a_peer_that_closes_fails_what_waits() -> None:
    started = asyncio.Event()

    async def wait(message: Any, fds: Descriptors) -> dict[str, Any]:
        started.set()
        await asyncio.sleep(GENEROUS_S * 2)
        return {}

    async with pair() as (a, b):
        b.answer = wait
        asking = asyncio.create_task(a.channel.request(CloseRendition("x"), deadline=GENEROUS_S))
        await started.wait()
        b.channel.close()
        with pytest.raises(WorkerError) as caught:
            await asking
        assert caught.value.code == "worker.gone"
        assert "closed" in await a.channel.closed
        with pytest.raises(WorkerError, match="worker a is gone"):
            a.channel.post(ForceKeyframe("x"))
        await until(lambda: b.channel.statistics().handled == 0)


async def test_channels_that_are_closed_hold_no_buffers() -> None:
    """Whoever still knows one (a worker that is gone, until the garbage collector comes) holds nothing large by it."""
    kept = []
    tracemalloc.start()
    try:
        for _ in range(20):
            async with pair() as ends:
                kept += [end.channel for end in ends]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(channel.closed.done() for channel in kept)
    assert held < 3 * MAX_BYTES


async def test_a_descriptor_travels_and_is_ours_no_more() -> None:
    before = open_descriptors()
    async with pair() as (a, b):
        b.take = True
        reading, writing = os.pipe()
        a.channel.post(AttachReader("t", "r"), [writing])
        await b.heard.get()
        (taken,) = b.taken
        assert not os.get_inheritable(taken)
        os.write(taken, b"x")
        assert os.read(reading, 2) == b"x"
        os.close(taken)
        assert os.read(reading, 2) == b""  # nobody else holds the writing end
        os.close(reading)
    assert open_descriptors() == before


async def test_descriptors_are_closed_whatever_happens() -> None:
    before = open_descriptors()
    async with pair() as (a, b):
        inside = open_descriptors()
        for _ in range(20):
            a.channel.post(AttachReader("t", "r"), [os.dup(0)])  # arrives, is not taken
            await a.channel.request(AttachReader("t", "r"), [os.dup(0), os.dup(0)], deadline=GENEROUS_S)
            with pytest.raises(WorkerError):
                a.channel.post(WhepOffer("v", (), "x" * MAX_BYTES), [os.dup(0)])
            with pytest.raises(WorkerError):
                a.channel.post(AttachReader("t", "r"), [os.dup(0) for _ in range(MAX_FDS + 1)])
        await until(lambda: b.heard.qsize() == 20)
        assert open_descriptors() == inside
        b.channel.close()
        with pytest.raises(WorkerError):
            await a.channel.request(AttachReader("t", "r"), [os.dup(0)], deadline=GENEROUS_S)
        await a.channel.closed
        with pytest.raises(WorkerError):
            a.channel.post(AttachReader("t", "r"), [os.dup(0)])
    assert open_descriptors() == before


@pytest.mark.parametrize("sdp", ["\r\n" * 32_768, "\0" * 65_536, "ä" * 65_536], ids=["lines", "zeros", "umlauts"])
async def test_the_largest_sdp_fits(sdp: str) -> None:
    async with pair() as (a, b):
        a.channel.post(WhepOffer("v", ("t",), sdp))
        assert (await b.heard.get()).sdp == sdp


async def test_what_json_cannot_hold_fails_at_the_call() -> None:
    async with pair() as (a, _):
        with pytest.raises(WorkerError, match="cannot be sent"):
            a.channel.post(ForceKeyframe("\ud800"))
        with pytest.raises(WorkerError, match="cannot be sent"):
            a.channel.post(object())
        assert not a.channel.closed.done()


async def test_a_peer_that_does_not_read_is_bounded() -> None:
    before = open_descriptors()
    async with raw_peer() as (end, _):
        with pytest.raises(WorkerError) as caught:
            for _ in range(MAX_QUEUED * 4):
                end.channel.post(WhepOffer("v", (), "x" * 10_000), [os.dup(0)])
        assert caught.value.code == "worker.stuck"
        assert end.channel.statistics().queued <= MAX_QUEUED
    assert open_descriptors() == before


async def test_a_slow_peer_gets_all() -> None:
    async with pair() as (a, b):
        for number in range(500):
            a.channel.post(WhepOffer(str(number), (), "x" * 5_000))
        heard = [(await b.heard.get()).viewer for _ in range(500)]
    assert heard == [str(number) for number in range(500)]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"type": "Nothing", "seq": null, "body": {}}',
        b'{"type": ["End"], "seq": null, "body": {}}',
        b'{"type": "End", "seq": true, "body": {"reason": ""}}',
        b'{"type": "End", "seq": null, "body": {"reason": 7}}',
        b'{"type": "End", "seq": null, "body": {"reason": "", "more": 1}}',
        b'{"type": "End", "seq": null, "body": {}}',
        b'{"type": "End", "seq": null, "body": {"reason": "' + b"x" * MAX_BYTES + b'"}}',
    ],
    ids=range(11),
)
async def test_a_malformed_message_ends_the_channel(data: bytes) -> None:
    before = open_descriptors()
    async with raw_peer() as (end, peer):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 212_992)
        socket.send_fds(peer, [data], [0, 1])
        assert (await asyncio.wait_for(end.channel.closed, GENEROUS_S)).startswith("malformed message: ")
    assert open_descriptors() == before


async def test_too_many_descriptors_end_the_channel() -> None:
    before = open_descriptors()
    async with raw_peer() as (end, peer):
        data = json.dumps({"type": "End", "seq": None, "body": {"reason": "x"}}).encode()
        socket.send_fds(peer, [data], [0] * (MAX_FDS + 3))
        assert "too many descriptors" in await asyncio.wait_for(end.channel.closed, GENEROUS_S)
    assert open_descriptors() == before


async def test_answers_nobody_asked_for_are_ignored() -> None:
    async with raw_peer() as (end, peer):
        for seq in (None, 0, 1, 99):
            peer.send(json.dumps({"type": "Done", "seq": seq, "body": {"body": {}}}).encode())
        peer.send(json.dumps({"type": "ForceKeyframe", "seq": None, "body": {"track": "t"}}).encode())
        assert (await end.heard.get()).track == "t"


async def test_an_unknown_error_class_is_a_worker_error() -> None:
    async with raw_peer() as (end, peer):
        for name, expected in (("NotFoundError", NotFoundError), ("annotations", WorkerError), ("Bad", WorkerError)):
            asking = asyncio.create_task(end.channel.request(CloseRendition("x"), deadline=GENEROUS_S))
            loop = asyncio.get_running_loop()
            peer.setblocking(False)
            seq = json.loads(await loop.sock_recv(peer, 1000))["seq"]
            body = {"error": name, "code": "c", "what": "w"}
            peer.send(json.dumps({"type": "Failed", "seq": seq, "body": body}).encode())
            with pytest.raises(expected, match="w"):
                await asking


@pytest.mark.parametrize("stopped", ["after the answer came", "before the answer came"])
def test_who_was_stopped_for_an_hour_still_gets_the_answer(stopped: str) -> None:
    async def ask() -> dict[str, Any]:
        async with pair() as (a, b):

            async def answer(message: Any, fds: Descriptors) -> dict[str, Any]:
                if stopped.startswith("before"):
                    running().jump(3600)
                    await asyncio.sleep(0.05)
                else:
                    running().call_soon(running().jump, 3600)
                return {"here": True}

            b.answer = answer
            return await a.channel.request(CloseRendition("r"), deadline=0.5)

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        assert runner.run(ask()) == {"here": True}


def test_a_peer_that_does_not_answer_is_given_up_although_we_were_stopped() -> None:
    async def ask() -> None:
        async with pair() as (a, b):

            async def answer(message: Any, fds: Descriptors) -> dict[str, Any]:
                while True:
                    running().jump(60)
                    await asyncio.sleep(0.01)

            b.answer = answer
            with pytest.raises(DeadlineError):
                await a.channel.request(CloseRendition("r"), deadline=0.5)

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(ask())
