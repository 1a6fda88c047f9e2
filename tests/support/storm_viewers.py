"""Viewers that decode nothing and do not give up: they come again when they were sent away, and note how long they saw
nothing."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
import urllib.parse
from collections import Counter, deque

import httpx

from tests.support.webrtc_viewer import LightViewer

ANSWER_S = 40.0  # for any answer of the host: well above its own deadlines
ALIVE_S = 1.0  # between signs of life
GAPS = 1000  # that are kept
ASK_S = 2.0  # a viewer that sees nothing for so long asks whether it is still one
SDP = {"content-type": "application/sdp"}


async def stop(task: asyncio.Task[None]) -> None:
    """Cancel until it ended: before Python 3.12 `wait_for` may swallow one. Raises what it raised."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1)
    if not task.cancelled():
        task.result()


class Refused(Exception):
    """The host said no, with a status and a code where there is one."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


class Gone(Exception):
    """This viewer ended, by the host or because its worker died."""


class RtspPlayer:
    """One RTSP connection, interleaved; counts the frames of the first track."""

    def __init__(self, host: str, lobby: str) -> None:
        self._url = f"{host}/{lobby}"
        self._number = 0
        self._session: str | None = None
        self._alive = 0.0
        self.frames = 0

    async def start(self) -> None:
        parts = urllib.parse.urlsplit(self._url)
        try:
            self._reader, self._writer = await asyncio.open_connection(parts.hostname, parts.port)
            headers, body = await self._ask("DESCRIBE", self._url, "Accept: application/sdp")
            base = headers["content-base"].rstrip("/")
            controls = [line[10:] for line in body.splitlines() if line.startswith("a=control:") and "*" not in line]
            for number, control in enumerate(controls):
                url = control if control.startswith("rtsp:") else f"{base}/{control}"
                channels = f"{2 * number}-{2 * number + 1}"
                headers, _ = await self._ask("SETUP", url, f"Transport: RTP/AVP/TCP;unicast;interleaved={channels}")
                self._session = headers["session"].split(";")[0]
            await self._ask("PLAY", base + "/", "Range: npt=0-")
        except (OSError, EOFError) as error:
            raise Gone(str(error)) from error

    async def frame(self) -> None:
        """Wait for the next one. Raises Gone."""
        before = self.frames
        try:
            if time.monotonic() > self._alive + ALIVE_S:
                self._alive = time.monotonic()
                self._number += 1
                alive = (
                    f"GET_PARAMETER {self._url} RTSP/1.0\r\nCSeq: {self._number}\r\nSession: {self._session}\r\n\r\n"
                )
                self._writer.write(alive.encode())
            while self.frames == before:
                if await self._reader.readexactly(1) == b"$":
                    await self._packet()
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Gone(str(error)) from error

    async def is_one(self) -> bool:
        return not self._reader.at_eof()

    async def leave(self, *, goodbye: bool) -> None:
        writer = getattr(self, "_writer", None)
        if writer is None:
            return
        if goodbye:
            with contextlib.suppress(Gone, Refused, OSError, EOFError):
                await self._ask("TEARDOWN", self._url)
            writer.close()
        else:
            writer.transport.abort()

    async def _ask(self, method: str, url: str, *headers: str) -> tuple[dict[str, str], str]:
        self._number += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._number}", *headers]
        lines += [f"Session: {self._session}"] if self._session else []
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(ANSWER_S):
            while (first := await self._reader.readexactly(1)) == b"$":
                await self._packet()
            head = (first + await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = (await self._reader.readexactly(int(found.get("content-length", "0")))).decode()
        status = int(head[0].split(" ")[1])
        if status != 200:
            raise Refused(status, head[0].split(" ", 2)[2])
        return found, body

    async def _packet(self) -> None:
        channel, length = struct.unpack(">BH", await self._reader.readexactly(3))
        packet = await self._reader.readexactly(length)
        self.frames += channel == 0 and bool(packet[1] & 0x80)


class WhepPlayer:
    """One WHEP session; counts video frames."""

    def __init__(self, http: httpx.AsyncClient, lobby: str) -> None:
        self._http = http
        self._lobby = lobby
        self._light = LightViewer()
        self._path: str | None = None
        self._began = False

    async def start(self) -> None:
        try:
            answer = await self._http.post(
                f"/whep/{self._lobby}", content=self._light.offer(), headers=SDP, timeout=ANSWER_S
            )
        except httpx.TransportError as error:
            raise Gone(str(error)) from error
        if answer.status_code != 201:
            raise Refused(answer.status_code, answer.json()["code"])
        self._path = answer.headers["location"]
        self._began = True
        try:
            await self._light.start(answer.text)
        except TimeoutError:
            raise Gone("not connected") from None

    async def frame(self) -> None:
        """Wait for the next one. Raises Gone."""
        while not any(packet.marker and packet.ssrc == self._light.video_ssrc for packet in self._light.packets):
            if self._light.closed:
                raise Gone("DTLS closed")
            await asyncio.sleep(0.05)
        self._light.packets.clear()

    async def is_one(self) -> bool:
        viewer = (self._path or "").rpartition("/")[2]
        with contextlib.suppress(httpx.TransportError):
            return (await self._http.get(f"/api/v1/viewers/{viewer}", timeout=ANSWER_S)).status_code == 200
        return False

    async def leave(self, *, goodbye: bool) -> None:
        if goodbye and self._path is not None:
            with contextlib.suppress(httpx.TransportError):
                await self._http.delete(self._path, timeout=ANSWER_S)
        if self._began and hasattr(self._light, "_transport"):
            self._light.vanish()


class Watcher:
    """Watches a lobby until it is told to stop. `last` is when it saw a picture last (monotonic seconds); `gaps` are
    the times without one, in seconds, the longest of them `longest`."""

    ask_s = ASK_S
    again_s = 0.25  # between attempts

    def __init__(self, name: str, lobby: str, players: tuple[httpx.AsyncClient, str] | None, *, whep: bool) -> None:
        self.name = name
        self.lobby = lobby
        self.refusals: Counter[str] = Counter()
        self.gaps: deque[tuple[float, str]] = deque(maxlen=GAPS)
        self.longest = 0.0
        self.last = time.monotonic()
        self.frames = 0
        self.has_session = False
        self.doing = "coming"
        self._players = players
        self._whep = whep
        self.kind = "whep" if whep else "rtsp"
        self._task = asyncio.get_running_loop().create_task(self._watch(), name=name)

    @property
    def dark_s(self) -> float:
        """Seconds since the last frame."""
        return time.monotonic() - self.last

    async def stop(self) -> None:
        await stop(self._task)

    def player(self) -> RtspPlayer | WhepPlayer:
        assert self._players is not None
        http, rtsp = self._players
        return WhepPlayer(http, self.lobby) if self._whep else RtspPlayer(rtsp, self.lobby)

    def patience_s(self) -> float | None:
        """Until it gives up one attempt to come; None: never."""
        return None

    def gone(self, why: str) -> None:
        """The host ended or lost it, or it could not come."""
        self.refusals[f"gone {why}"[:60]] += 1

    def saw(self) -> None:
        """A picture, now."""
        self.frames += 1
        self.longest = max(self.longest, self.dark_s)
        if self.dark_s > 1:
            self.gaps.append((round(self.dark_s, 1), time.strftime("%H:%M:%S")))
        self.last = time.monotonic()

    async def _watch(self) -> None:
        while True:
            player = self.player()
            try:
                self.doing = "coming"
                async with asyncio.timeout(self.patience_s()):
                    await player.start()
                self.has_session = True
                await self._look(player)
            except Refused as refused:
                self.refusals[str(refused)] += 1
                self.doing = f"refused {refused}"
            except TimeoutError:
                self.refusals["no answer"] += 1
                self.doing = "no answer"
            except Gone as gone:
                self.doing = f"gone: {gone}"
                self.gone(str(gone))
            finally:
                self.has_session = False
                await player.leave(goodbye=False)
            await asyncio.sleep(self.again_s)

    async def _look(self, player: RtspPlayer | WhepPlayer) -> None:
        while True:
            self.doing = "watching"
            waiting = asyncio.ensure_future(player.frame())
            try:
                while not (await asyncio.wait({waiting}, timeout=self.ask_s))[0]:
                    self.doing = "sees nothing"
                    if not await player.is_one():
                        raise Gone("told so")
                waiting.result()
            finally:
                waiting.cancel()
            self.saw()
