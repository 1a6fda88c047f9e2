"""STUN and TURN against a real coturn: the address it saw is announced, and media goes over its relay."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from steadycast.egress.options import EgressOptions, IceServer
from tests.support.webrtc_house import TRACKS, House, house, playing, until
from tests.support.webrtc_viewer import LightViewer

pytestmark = pytest.mark.process

TURNSERVER = shutil.which("turnserver")


@contextlib.asynccontextmanager
async def coturn(folder: Path) -> AsyncIterator[int]:
    """A STUN and TURN server on a free port of loopback."""
    if TURNSERVER is None:
        pytest.skip("coturn is not in this distribution")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = f"-n --listening-ip=127.0.0.1 --relay-ip=127.0.0.1 --listening-port={port} --allow-loopback-peers --no-tls"
    line += f" --no-dtls --no-cli --lt-cred-mech --user=user:secret --realm=test --pidfile={folder}/pid"
    line += f" --db={folder}/db --log-file={folder}/log --min-port=49152 --max-port=65535"
    server = await asyncio.create_subprocess_exec(
        TURNSERVER, *line.split(), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield port
    finally:
        server.kill()
        await server.wait()


async def answer_with(home: House, kind: str, viewer: LightViewer) -> str:
    """An answer that announces a candidate of this kind; asked again until there is one."""
    async with asyncio.timeout(30):
        while True:
            answer = await home.peers.offer("one", TRACKS, viewer.offer())
            if f"typ {kind}" in answer:
                return answer
            await home.peers.end("one", "once more")
            await asyncio.sleep(0.2)


async def test_media_over_a_relay(tmp_path: Path) -> None:
    async with coturn(tmp_path) as port:
        server = IceServer(f"turn:127.0.0.1:{port}?transport=udp", "user", "secret")
        async with house(EgressOptions(ice_servers=(server,))) as home, playing(home):
            viewer = LightViewer(path="relay")
            answer = await answer_with(home, "relay", viewer)

            async def trickle(address: tuple[str, int]) -> None:
                line = f"a=candidate:1 1 udp 1000 {address[0]} {address[1]} typ host\r\n"
                await home.peers.patch("one", f"a=ice-ufrag:{viewer.ufrag}\r\n{line}")

            viewer.on_bound = trickle
            await viewer.start(answer)
            await until(lambda: len(viewer.packets) > 200, "media over the relay")
            viewer.say_goodbye()
            await until(lambda: ("one", "the viewer left") in home.told.gone, "left")
            viewer.vanish()


async def test_the_address_that_a_stun_server_saw_is_announced(tmp_path: Path) -> None:
    async with coturn(tmp_path) as port:
        options = EgressOptions(host="0.0.0.0", ice_servers=(IceServer(f"stun:127.0.0.1:{port}"),))
        async with house(options) as home:
            home.open_buses()
            viewer = LightViewer(path="srflx")
            answer = await answer_with(home, "srflx", viewer)
            viewer.learn(answer)
            assert viewer.host == ("127.0.0.1", home.port.port)


async def test_servers_that_do_not_answer_delay_only_the_first_offer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        number = deaf.getsockname()[1]
        servers = (IceServer(f"stun:127.0.0.1:{number}"), IceServer(f"turn:127.0.0.1:{number}", "user", "secret"))
        async with house(EgressOptions(ice_servers=servers)) as home:
            home.open_buses()
            answer = await home.peers.offer("one", TRACKS, LightViewer().offer())
            assert "typ host" in answer and "typ relay" not in answer and "typ srflx" not in answer


async def test_a_public_address_is_announced() -> None:
    async with house(EgressOptions(public_address="203.0.113.5")) as home:
        home.open_buses()
        answer = await home.peers.offer("one", TRACKS, LightViewer().offer())
        assert f" 203.0.113.5 {home.port.port} typ srflx" in answer
