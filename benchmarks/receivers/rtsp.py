"""RTSP viewers over UDP or TCP that only count.

`python -m benchmarks.receivers.rtsp --url URL --count N --transport udp`
Prints one JSON line when all play and one for each line that comes on standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import struct
import sys
import urllib.parse

from benchmarks.receivers.counting import StreamCount, datagrams, report, udp_socket

PLAY_DEADLINE_S = 60.0
KEEP_ALIVE_S = 8.0


def port_pair() -> tuple[socket.socket, socket.socket]:
    """Two UDP sockets on an even port and the one after it."""
    for _ in range(200):
        first = udp_socket()
        port = first.getsockname()[1]
        if port % 2 == 0:
            try:
                return first, udp_socket(port=port + 1)
            except OSError:
                pass
        first.close()
    raise OSError("no free pair of UDP ports")


class RtspReceiver:
    """One viewer of the first track of an address."""

    def __init__(self, url: str, transport: str) -> None:
        self.url = url
        self.transport = transport
        self.count = StreamCount()
        self._sequence = 0
        self._session: str | None = None
        self._sockets: tuple[socket.socket, socket.socket] | None = None

    async def play(self) -> None:
        parts = urllib.parse.urlsplit(self.url)
        self._reader, self._writer = await asyncio.open_connection(parts.hostname, parts.port)
        headers, body = await self._ask("DESCRIBE", self.url, "Accept: application/sdp")
        base = headers.get("content-base", self.url).rstrip("/")
        media = body.decode().split("\nm=")[1]
        control = next(line.strip().split(":", 1)[1] for line in media.splitlines() if "a=control:" in line)
        where = control if control.startswith("rtsp") else f"{base}/{control}"
        headers, _ = await self._ask("SETUP", where, f"Transport: {self._wanted()}")
        self._session = headers["session"].split(";")[0]
        await self._ask("PLAY", base, "Range: npt=0.000-")
        self._tasks = [asyncio.create_task(self._read_on()), asyncio.create_task(self._keep_alive())]

    def _wanted(self) -> str:
        if self.transport == "tcp":
            return "RTP/AVP/TCP;unicast;interleaved=0-1"
        self._sockets = port_pair()
        rtp, rtcp = self._sockets
        loop = asyncio.get_running_loop()
        loop.add_reader(rtp.fileno(), self._take, rtp)
        loop.add_reader(rtcp.fileno(), lambda: list(datagrams(rtcp)))
        port = rtp.getsockname()[1]
        return f"RTP/AVP;unicast;client_port={port}-{port + 1}"

    def _take(self, sock: socket.socket) -> None:
        for data, _ in datagrams(sock):
            self.count.take(data)

    async def _ask(self, method: str, url: str, *lines: str) -> tuple[dict[str, str], bytes]:
        self._write(method, url, *lines)
        while True:
            first = await self._reader.readexactly(1)
            if first == b"$":
                await self._interleaved()
                continue
            head = first + await self._reader.readuntil(b"\r\n\r\n")
            status = head.split(b" ", 2)[1]
            if status != b"200":
                raise OSError(head.decode().splitlines()[0])
            fields = (line.partition(":") for line in head.decode().splitlines()[1:])
            headers = {name.lower(): value.strip() for name, _, value in fields}
            return headers, await self._reader.readexactly(int(headers.get("content-length", "0")))

    def _write(self, method: str, url: str, *lines: str) -> None:
        self._sequence += 1
        session = [f"Session: {self._session}"] if self._session else []
        text = "\r\n".join([f"{method} {url} RTSP/1.0", f"CSeq: {self._sequence}", *session, *lines])
        self._writer.write(text.encode() + b"\r\n\r\n")

    async def _interleaved(self) -> None:
        channel, length = struct.unpack(">BH", await self._reader.readexactly(3))
        data = await self._reader.readexactly(length)
        if channel == 0:
            self.count.take(data)

    async def _read_on(self) -> None:
        """Packets and answers to keep-alives, as they come."""
        try:
            while True:
                if await self._reader.readexactly(1) == b"$":
                    await self._interleaved()
                else:
                    await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            self._write("OPTIONS", self.url)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--transport", choices=["udp", "tcp"], default="udp")
    arguments = parser.parse_args()
    receivers = [RtspReceiver(arguments.url, arguments.transport) for _ in range(arguments.count)]
    for receiver in receivers:
        await asyncio.wait_for(receiver.play(), PLAY_DEADLINE_S)
    print(json.dumps({"connected": len(receivers)}), flush=True)
    counts = [receiver.count for receiver in receivers]
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(report(counts)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
