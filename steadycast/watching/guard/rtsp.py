"""A thin RTSP client that plays a stream inside its connection and says whether the picture moves.

It decodes nothing: a stream moves where pictures come with new RTP timestamps, sequence numbers that go on, and content
that is not the same again and again (RFC 2326, RFC 3550).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import struct
import time
import zlib
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from steadycast.watching.guard.rtsp_login import Login

HEAD = 16_384  # bytes of an answer's head
BODY = 262_144
PACKETS = 20_000  # in one look
MARGIN = 0.9  # share of the deadline after which what came so far is judged
_STATUS = re.compile(r"RTSP/1\.\d (\d{3}) ?(.*)")
_CONTROL = re.compile(r"^a=control:(.+?)\s*$", re.MULTILINE)


class RtspError(Exception):
    """The server refused, or spoke something else."""


class RtspLoginError(RtspError):
    """It wants another login: that says nothing about the picture."""


@dataclass(slots=True)
class Seen:
    """What came of a video track: pictures by their RTP timestamp, each with a sum over its packets."""

    wanted: int
    pictures: dict[int, int] = field(default_factory=dict)
    sequences: set[int] = field(default_factory=set)
    packets: int = 0
    took_s: float = 0.0

    @property
    def enough(self) -> bool:
        """The newest picture may still be on its way, so one more is waited for."""
        return len(self.pictures) > self.wanted

    @property
    def moves(self) -> bool:
        return len(self.pictures) >= self.wanted and self._differ() >= self.wanted <= len(self.sequences)

    def _differ(self) -> int:
        """Of the pictures that are whole: the newest may not be."""
        return len(set(list(self.pictures.values())[: self.wanted]))

    def words(self) -> str:
        if not self.packets:
            return "it plays, but no picture came"
        if self.moves:
            return f"the picture moves: {len(self.pictures)} in {self.took_s:.1f} s"
        if len(self.pictures) >= self.wanted:
            return f"the picture stands still: of {len(self.pictures)} that came, {self._differ()} differ"
        return f"only {len(self.pictures)} of {self.wanted} pictures came in {self.took_s:.1f} s"

    def add(self, packet: bytes) -> None:
        """One RTP packet."""
        if len(packet) < 12 or packet[0] >> 6 != 2:
            return
        sequence, timestamp = struct.unpack_from(">HI", packet, 2)
        self.packets += 1
        self.sequences.add(sequence)
        payload = packet[12 + 4 * (packet[0] & 15) :]
        self.pictures[timestamp] = zlib.crc32(payload, self.pictures.get(timestamp, 0))


async def watch_stream(url: str, frames: int, seconds: float) -> Seen:
    """Play the first video track until so many pictures came, at most so long. Raises RtspError, OSError,
    asyncio.IncompleteReadError."""
    began = time.monotonic()
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 554, limit=HEAD)
    try:
        client = _Client(reader, writer, url)
        await client.play()
        seen = Seen(frames)
        with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(max(0.0, seconds * MARGIN - (time.monotonic() - began))):
                while not seen.enough and seen.packets < PACKETS:
                    seen.add(await client.packet())
        seen.took_s = time.monotonic() - began
        client.tear_down()
        return seen
    finally:
        with contextlib.suppress(OSError):
            writer.close()


class _Client:
    """One conversation. The login of the address is sent only where the server asks for one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> None:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self._url = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
        self._reader, self._writer = reader, writer
        user = None if parts.username is None else unquote(parts.username)
        self._login = Login(user, unquote(parts.password or ""))
        self._cseq = 0
        self._session: str | None = None
        self._base = self._url

    async def play(self) -> None:
        headers, body = await self._ask("DESCRIBE", self._url, "Accept: application/sdp")
        self._base = headers.get("content-base") or headers.get("content-location") or self._url
        sdp = body.decode(errors="replace")
        video = next((part for part in re.split(r"(?m)^m=", sdp)[1:] if part.startswith("video")), None)
        if video is None:
            raise RtspError("the stream has no video")
        control = _CONTROL.search(video)
        headers, _ = await self._ask(
            "SETUP", self._absolute(control[1] if control else ""), "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
        )
        self._session = headers.get("session", "").partition(";")[0].strip() or None
        await self._ask("PLAY", self._base, "Range: npt=0.000-")

    def _absolute(self, control: str) -> str:
        if control.lower().startswith("rtsp://"):
            return control
        return self._base if control in ("", "*") else f"{self._base.rstrip('/')}/{control.lstrip('/')}"

    def tear_down(self) -> None:
        """Say goodbye, without waiting for an answer."""
        self._send("TEARDOWN", self._base, ())

    async def packet(self) -> bytes:
        """The next RTP packet of the track; what else comes is passed over."""
        while True:
            mark = await self._reader.readexactly(1)
            if mark == b"$":
                channel, length = struct.unpack(">BH", await self._reader.readexactly(3))
                packet = await self._reader.readexactly(length)
                if channel == 0:
                    return packet

    async def _ask(self, method: str, url: str, *more: str) -> tuple[dict[str, str], bytes]:
        self._send(method, url, more)
        status, reason, headers, body = await self._answer()
        if status == 401 and self._login.challenged(headers.get("www-authenticate", "")):
            self._send(method, url, more)
            status, reason, headers, body = await self._answer()
        if status in (401, 403, 407):
            raise RtspLoginError(f"{method} needs another login ({status} {reason})")
        if status != 200:
            raise RtspError(f"{method} was refused: {status} {reason}")
        return headers, body

    def _send(self, method: str, url: str, more: tuple[str, ...]) -> None:
        self._cseq += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._cseq}", "User-Agent: steadycast-guard", *more]
        if self._session:
            lines.append(f"Session: {self._session}")
        if authorization := self._login.header(method, url):
            lines.append(f"Authorization: {authorization}")
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def _answer(self) -> tuple[int, str, dict[str, str], bytes]:
        first = await self._reader.readexactly(1)
        while first == b"$":  # pictures may come before the answer to PLAY
            _, length = struct.unpack(">BH", await self._reader.readexactly(3))
            await self._reader.readexactly(length)
            first = await self._reader.readexactly(1)
        try:
            head = first + await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise RtspError("the answer is no RTSP") from None
        lines = head.decode("latin-1").split("\r\n")
        found = _STATUS.match(lines[0])
        if found is None:
            raise RtspError("the answer is no RTSP")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            headers[key] = f"{headers[key]}\n{value.strip()}" if key in headers else value.strip()
        length = int(headers.get("content-length", "0") or 0) if headers.get("content-length", "0").isdigit() else 0
        if length > BODY:
            raise RtspError("the answer is too long")
        return int(found[1]), found[2], headers, await self._reader.readexactly(length)
