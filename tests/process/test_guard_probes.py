"""Health probes and counts over real sockets: what is a failure, and what only cannot be told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from steadycast.watching.guard.counts import count
from steadycast.watching.guard.health import ask
from steadycast.watching.guard.policy_probes import CommandHealth, CountProbe, HttpHealth, RtspHealth
from tests.support.guarded_rtsp import picture_server

pytestmark = pytest.mark.process


@asynccontextmanager
async def web_server(answer: str, path: Path | None = None) -> AsyncIterator[str]:
    """Says the same to everybody; the address."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer.encode())
        if answer:
            await writer.drain()
            writer.close()

    if path is not None:
        server = await asyncio.start_unix_server(talk, path)
        address = "http://localhost/api"
    else:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield address
    finally:
        server.close()


def http(url: str, **more: object) -> HttpHealth:
    return HttpHealth.model_validate({"name": "a", "kind": "http", "url": url, "deadline_s": 5, **more})


def rtsp(port: int, user: str = "", deadline_s: float = 20) -> RtspHealth:
    url = f"rtsp://{user}127.0.0.1:{port}/camera"
    return RtspHealth.model_validate({"name": "a", "kind": "rtsp", "url": url, "deadline_s": deadline_s, "frames": 3})


async def test_an_address_answers_or_fails() -> None:
    async with web_server('HTTP/1.0 200 OK\r\n\r\n{"success": true}') as url:
        assert (await ask(http(url), {})).ok is True
        assert (await ask(http(url, pattern=r'"success":\s*true'), {})).ok is True
        assert (await ask(http(url, pattern="nothing of it"), {})).ok is False
    async with web_server("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n") as url:
        assert (await ask(http(url), {})).ok is False
        assert (await ask(http(url, status=(500, 599)), {})).ok is True
    async with web_server("SSH-2.0-x\r\n") as url:
        assert (await ask(http(url), {})).text == "the answer is no HTTP"
    async with web_server("") as url:
        assert (await ask(http(url, deadline_s=0.2), {})).text == "no answer within 0.2 s"
    assert (await ask(http(url), {})).ok is False  # refused: nobody listens any more


async def test_what_is_our_own_trouble_is_no_failure(tmp_path: Path) -> None:
    assert (await ask(http("http://no.such.name.invalid/"), {})).ok is None
    command = CommandHealth(name="a", kind="command", command=("/nowhere",))
    assert (await ask(command, {})).ok is None
    killed = CommandHealth(name="a", kind="command", command=("sh", "-c", "kill -9 $$"))
    assert (await ask(killed, {})).ok is None
    cannot = CommandHealth(name="a", kind="command", command=("sh", "-c", "exit 4"), unknown_codes=(4,))
    assert (await ask(cannot, {})).ok is None
    late = CommandHealth(name="a", kind="command", command=("sleep", "60"), deadline_s=0.2)
    assert (await ask(late, {})).text == "no answer within 0.2 s"


async def test_a_unix_socket_is_asked_and_sessions_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "wolf.sock"
    body = '{"success":true,"sessions":[{"client_ip":"10.0.0.1"},{"client_ip":"10.0.0.2"}]}'
    async with web_server(f"HTTP/1.0 200 OK\r\n\r\n{body}", path) as url:
        assert (await ask(http(url, socket=path), {})).ok is True
        probe = CountProbe(url=url, socket=path, pattern='"client_ip"')
        assert (await count(probe, None, {})).number == 2
        probe = CountProbe(url=url, socket=path, pattern=r'"clients":\s*(\d+)')
        assert (await count(probe, None, {})).number is None
    assert (await count(probe, None, {})).number is None
    told = CountProbe(command=("echo", "12 viewers"), pattern=r"(\d+) viewers")
    assert (await count(told, None, {})).number == 12


async def test_connections_to_a_port_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        probe = CountProbe(port=port)
        assert (await count(probe, None, {})).number == 0
        with socket.create_connection(("127.0.0.1", port)), listening.accept()[0]:
            assert (await count(probe, None, {})).number == 1
    assert (await count(probe, 2**22 + 1, {})).number is None


async def test_a_picture_must_move() -> None:
    async with picture_server() as server:
        moving = await ask(rtsp(server.port), {})
        assert moving.ok is True and "the picture moves" in moving.text
        assert "/camera/track1 " in server.seen[1]  # the video, not the sound
        server.mode = "still"
        still = await ask(rtsp(server.port), {})
        assert still.ok is False and still.text == "the picture stands still: of 4 that came, 1 differ"
        server.mode = "silent"
        assert (await ask(rtsp(server.port, deadline_s=0.3), {})).text == "it plays, but no picture came"
        server.mode = "refuse"
        assert (await ask(rtsp(server.port), {})).text == "DESCRIBE was refused: 503 Service Unavailable"


async def test_a_login_is_proven_and_a_wrong_one_tells_nothing() -> None:
    async with picture_server(login=("me", "p w")) as server:
        assert (await ask(rtsp(server.port, "me:p%20w@"), {})).ok is True
        wrong = await ask(rtsp(server.port, "me:other@"), {})
        assert wrong.ok is None and "401" in wrong.text
        assert (await ask(rtsp(server.port), {})).ok is None
        assert not any("p%20w" in head for head in server.seen)
