"""Connections that say nothing, half of something or too much, at a real HTTP server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse

from steadycast.serve.connection import HEAD_BYTES, Places
from steadycast.serve.http import HttpServer

pytestmark = pytest.mark.process
DEADLINE_S = 30
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def serving(places: Places) -> AsyncIterator[int]:
    app = FastAPI()

    @app.get("/")
    async def index() -> PlainTextResponse:
        return PlainTextResponse("well")

    @app.post("/")
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    listening = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(app, listening, places)
    await server.start()
    try:
        yield listening.getsockname()[1]
    finally:
        await server.stop()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes; a reset counts as closed."""
    async with asyncio.timeout(DEADLINE_S):
        text = b""
        try:
            while part := await reader.read(65_536):
                text += part
        except ConnectionError:
            pass
        return text


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The body of one answer with a Content-Length."""
    async with asyncio.timeout(DEADLINE_S):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        return await reader.readexactly(length)


@pytest.mark.parametrize("said", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", GET + b"GET /"])
async def test_a_head_that_does_not_come_ends_the_connection(said: bytes) -> None:
    places = Places(head_s=0.3)
    async with serving(places) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        if said.startswith(GET):
            assert await answer(reader) == b"well"
            writer.write(b"x")  # a sign of life of the next request, which is never whole
        assert await ended(reader) == b""
        assert len(places) == 0
        writer.close()


async def test_a_head_that_comes_byte_by_byte_ends_the_connection() -> None:
    async with serving(Places(head_s=0.5)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        end = asyncio.create_task(ended(reader))
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        while not end.done():
            writer.write(b"a")
            await asyncio.wait({end}, timeout=0.05)
        assert end.result() == b""
        writer.close()


@pytest.mark.parametrize("piece", [b"X: " + b"a" * 1000 + b"\r\n", b"a" * 1000])
async def test_a_head_has_a_size(piece: bytes) -> None:
    async with serving(Places()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        end = asyncio.create_task(ended(reader))
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        sent = 0
        while not end.done() and sent < 100 * HEAD_BYTES:
            writer.write(piece)
            sent += len(piece)
            await asyncio.wait({end}, timeout=0.001)
        await end
        assert sent < 100 * HEAD_BYTES
        writer.close()


async def test_a_large_body_is_no_large_head() -> None:
    """It may come in one piece with its head."""
    async with serving(Places()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for size in (HEAD_BYTES, 3 * HEAD_BYTES, 10):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size)
            assert await answer(reader) == b"%d" % size
        writer.close()


async def test_the_longest_waiting_connection_gives_its_place() -> None:
    places = Places(size=3)
    async with serving(places) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(GET)
            assert await answer(reader) == b"well"
        for other, _ in silent[:17]:
            assert await ended(other) == b""
        assert len(places) <= 3
        writer.write(GET)
        assert await answer(reader) == b"well"
        for _, other_writer in (*silent, (reader, writer)):
            other_writer.close()


async def test_requests_one_behind_the_other_and_slow_bodies_are_served() -> None:
    """Longer than a head may take: the deadline is for heads alone."""
    async with serving(Places(head_s=0.4)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET * 5)
        for _ in range(5):
            assert await answer(reader) == b"well"
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(0.1)
            writer.write(b"x")
        assert await answer(reader) == b"8"
        writer.close()


async def test_connections_inherit_the_kernels_deadline() -> None:
    async with serving(Places()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        assert await answer(reader) == b"well"
        words = ("ss", "-tnoH", "state", "established", f"( sport = :{port} )")
        process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        assert b"timer:(keepalive" in output
        writer.close()
