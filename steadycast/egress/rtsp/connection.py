"""One RTSP connection: bytes in and out, its deadlines, and its end."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from typing import cast

from steadycast.egress.rtsp.answer import RETRY_S, Answer, refuse
from steadycast.egress.rtsp.dialogue import LEFT, Dialogue
from steadycast.egress.rtsp.feed import TOO_SLOW
from steadycast.egress.rtsp.parts import QUEUE_BUDGETS, ServerParts
from steadycast.egress.rtsp.playback import Client
from steadycast.egress.rtsp.protocol import Interleaved, Malformed, MessageReader, Request

log = logging.getLogger("rtsp")

PIPELINED = 32  # requests that wait; with more of them nothing is read any more
CLOSE_S = 3.0  # from the last word to a client until its connection is cut
REFUSED_S = 3.0  # a connection over the limit may wait this long for its first request
SEND_BUFFER_BYTES = 262_144  # asked of the kernel, which doubles it


class RtspConnection(asyncio.Protocol):
    """`over` is a connection over the limit: its first request gets 503, and it is closed."""

    def __init__(self, parts: ServerParts, over: bool) -> None:
        self._parts = parts
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._reader = MessageReader()
        self._waiting: deque[Request | Malformed] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._begun: float | None = None  # when the unfinished message began
        self._sign = self._loop.time()  # last sign of life
        self._closing: float | None = None  # when the last word was said
        self._transport: asyncio.Transport | None = None
        self._dialogue: Dialogue | None = None

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        peer = transport.get_extra_info("peername")
        local = transport.get_extra_info("sockname")
        self._transport = transport
        self._parts.connections.add(self)
        if not self._over:
            self._parts.strangers[self] = None
        if not peer or not local:  # it is gone already
            transport.abort()
            return
        _tune(transport.get_extra_info("socket"), self._parts.options.viewer_silence_s)
        client = Client(transport, peer, self._alive)
        self._dialogue = Dialogue(self._parts, client, local[0].partition("%")[0], self._stream_ended)
        counters = self._parts.counters
        counters.connections += 1
        counters.refused += self._over

    def data_received(self, data: bytes) -> None:
        now = self._loop.time()
        if self._closing is not None:
            return
        self._sign = now
        messages = self._reader.feed(data)
        if not self._reader.unfinished:
            self._begun = None
        elif messages or self._begun is None:
            self._begun = now
        for message in messages:
            if not isinstance(message, Interleaved):
                self._waiting.append(message)
            elif self._dialogue is not None and self._dialogue.playback is not None:
                self._dialogue.playback.heard_channel(message.channel, message.payload)
        if len(self._waiting) > PIPELINED and self._transport is not None:
            self._transport.pause_reading()
        if self._waiting and self._worker is None:
            self._worker = self._loop.create_task(self._work(), name="rtsp requests")

    def eof_received(self) -> bool:
        self.finish(LEFT)  # a client that says no more is gone
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = self._loop.time() if self._closing is None else self._closing
        self._waiting.clear()
        self._parts.connections.discard(self)
        self._parts.strangers.pop(self, None)
        if self._dialogue is not None:
            self._dialogue.close(LEFT if exc is None else "its connection was lost")

    # --- requests ---

    async def _work(self) -> None:
        """Answer what waits, one after the other. The task lives only as long as requests wait."""
        try:
            while self._waiting and self._closing is None:
                await self._answer(self._waiting.popleft())
                if len(self._waiting) < PIPELINED and self._transport is not None and not self._transport.is_closing():
                    self._transport.resume_reading()
        except Exception:
            self._parts.counters.failures += 1
            log.exception("a request failed")
            self.end("an error of the server")
        finally:
            self._worker = None

    async def _answer(self, message: Request | Malformed) -> None:
        if isinstance(message, Malformed):
            self._parts.counters.malformed += 1
            self._say(refuse(message.status, message.why, close=True), message.cseq)
            return
        self._parts.counters.requests += 1
        if self._over:
            why = "too many connections are open"
            self._say(refuse(503, why, ("Retry-After", str(RETRY_S)), close=True), message.cseq)
            return
        assert self._dialogue is not None
        header = self._dialogue.session_header
        answer = await self._dialogue.answer(message)
        if self._dialogue.holds_something:
            self._parts.strangers.pop(self, None)
        self._say(answer, message.cseq, self._dialogue.session_header or header)

    def _say(self, answer: Answer, cseq: str | None, session: str | None = None) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > QUEUE_BUDGETS * self._parts.options.viewer_budget_bytes:
            self._parts.counters.slow += 1  # it asks and asks, and does not read the answers
            self.end(TOO_SLOW)
            return
        transport.write(answer.spell(cseq, session))
        if answer.then is not None:
            answer.then()
        if answer.close:
            self._finish()

    # --- the end ---

    def _alive(self) -> None:
        self._sign = self._loop.time()

    def forgive(self, lost: float, now: float) -> None:
        """This process did not run for `lost` seconds: the client could not be heard meanwhile."""
        self._sign = min(now, self._sign + lost)
        if self._begun is not None:
            self._begun = min(now, self._begun + lost)

    def tick(self, now: float) -> None:
        """Look at the deadlines, and send the reports that are due."""
        options = self._parts.options
        playback = None if self._dialogue is None else self._dialogue.playback
        if self._closing is not None:
            if now - self._closing >= CLOSE_S:
                self._abort()
        elif self._begun is not None and now - self._begun >= options.request_s:
            self._say(refuse(408, "the request was not finished in time", close=True), None)
        elif self._over and now - self._sign >= REFUSED_S:
            self._abort()
        elif now - self._sign >= options.viewer_silence_s and self._worker is None:
            self._parts.counters.silent += playback is not None
            self.end(f"it gave no sign of life for {options.viewer_silence_s:g} s")
        elif playback is not None:
            playback.report(now)

    def _stream_ended(self, reason: str) -> None:
        """The stream ends the session: it was too slow, or its track is gone."""
        if reason == TOO_SLOW:
            self._parts.counters.slow += 1
            self.end(reason)
        else:
            self.finish(reason)

    def finish(self, reason: str) -> None:
        """Say BYE and close when it was sent, within `CLOSE_S`."""
        if self._dialogue is not None:
            self._dialogue.close(reason)
        self._finish()

    def _finish(self) -> None:
        if self._closing is None:
            self._closing = self._loop.time()
        if self._transport is not None:
            self._transport.close()

    def end(self, reason: str) -> None:
        """Cut the connection at once: nothing that waits to be sent is kept."""
        if self._dialogue is not None:
            self._dialogue.close(reason)
        self._abort()

    def _abort(self) -> None:
        if self._closing is None:
            self._closing = self._loop.time()
        if self._transport is not None:
            self._transport.abort()

    @property
    def dialogue(self) -> Dialogue | None:
        """None before it is connected."""
        return self._dialogue

    @property
    def viewer(self) -> str | None:
        """The viewer that plays over this connection."""
        playback = None if self._dialogue is None else self._dialogue.playback
        return None if playback is None else playback.viewer

    @property
    def worker(self) -> asyncio.Task[None] | None:
        """The task that answers requests, while there are any."""
        return self._worker


def _tune(sock: socket.socket, silence_s: float) -> None:
    """The kernel finds out itself when the machine at the other end is gone, and keeps a bounded amount for it."""
    milliseconds = max(1000, int(silence_s * 1000))
    seconds = max(1, int(silence_s / 3))
    options = [
        (socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, seconds),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds),
    ]
    for level, name, value in options:
        sock.setsockopt(level, name, value)
