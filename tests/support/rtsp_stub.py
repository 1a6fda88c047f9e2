"""A camera that says what a test wants: a TCP server that answers RTSP requests with a given text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OPTIONS = "RTSP/1.0 200 OK\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY\r\n"


@dataclass
class RtspStub:
    """`answer` is the head of every answer, but to OPTIONS, without CSeq and without its empty line."""

    answer: str
    port: int = 0
    seen: list[str] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                self.seen.append(lines[0])
                cseq = next(line for line in lines if line.lower().startswith("cseq:"))
                text = OPTIONS if lines[0].startswith("OPTIONS") else self.answer
                writer.write(f"{text}{cseq}\r\n\r\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def rtsp_stub(answer: str) -> AsyncIterator[RtspStub]:
    """A stub on a port of its own."""
    stub = RtspStub(answer)
    server = await asyncio.start_server(stub.talk, "127.0.0.1", 0)
    stub.port = server.sockets[0].getsockname()[1]
    async with server:
        yield stub
