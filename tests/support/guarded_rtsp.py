"""An RTSP server that plays a counter as its picture: moving, standing still, silent, behind a login, or refusing."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

SDP = "v=0\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 97\r\na=control:a\r\nm=video 0 RTP/AVP 96\r\na=control:track1\r\n"


@dataclass
class PictureServer:
    """`mode`: moves, still, silent, refuse. `login`: user and password that Digest must prove."""

    mode: str = "moves"
    login: tuple[str, str] | None = None
    port: int = 0
    seen: list[str] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        playing: asyncio.Task[None] | None = None
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.seen.append(head)
                method, url, _ = head.split("\r\n")[0].split(" ")
                cseq = re.search(r"CSeq: (\d+)", head)
                assert cseq is not None
                writer.write(self._answer(method, url, head, cseq[1]).encode())
                if method == "PLAY" and self.mode in ("moves", "still"):
                    playing = asyncio.create_task(self._play(writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if playing is not None:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)
            writer.close()

    def _answer(self, method: str, url: str, head: str, cseq: str) -> str:
        first = f"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n"
        if self.mode == "refuse" and method == "DESCRIBE":
            return f"RTSP/1.0 503 Service Unavailable\r\nCSeq: {cseq}\r\n\r\n"
        if self.login is not None and not self._proves(method, url, head):
            return f'RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\nWWW-Authenticate: Digest realm="r", nonce="n"\r\n\r\n'
        if method == "DESCRIBE":
            return f"{first}Content-Base: {url}/\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}"
        return f"{first}Session: 1;timeout=60\r\n\r\n"

    def _proves(self, method: str, url: str, head: str) -> bool:
        assert self.login is not None
        found = re.search(r'response="([0-9a-f]{32})"', head)
        user, password = self.login

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        return found is not None and found[1] == md5(f"{md5(f'{user}:r:{password}')}:n:{md5(f'{method}:{url}')}")

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        number = 0
        while True:
            number += 1
            for part in (b"a", b"b"):  # two packets a picture
                content = part * 20 + (str(number).encode() if self.mode == "moves" else b"")
                packet = struct.pack(">BBHII", 128, 96, number & 0xFFFF, number * 3600, 7) + content
                writer.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def picture_server(mode: str = "moves", login: tuple[str, str] | None = None) -> AsyncIterator[PictureServer]:
    """On a port of its own."""
    made = PictureServer(mode, login)
    server = await asyncio.start_server(made.talk, "127.0.0.1", made.port)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
