"""The RTSP server of one egress process: accepts, counts, looks at deadlines, ends."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from typing import cast

from steadycast.egress.events import EgressEvents
from steadycast.egress.fanout import Fanout
from steadycast.egress.options import EgressOptions
from steadycast.egress.rtsp.connection import CLOSE_S, RtspConnection
from steadycast.egress.rtsp.parts import QUEUE_BUDGETS, ServerParts
from steadycast.egress.rtsp.playback import PlaybackStatistics
from steadycast.egress.rtsp.ports import PortPair
from steadycast.egress.stock import Described, Watcher
from steadycast.errors import ConflictError
from steadycast.patience import OwnTime

OVER_LIMIT = 32  # connections over the limit that are told so; the next are cut without a word
TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class RtspStatistics:
    """Open things first, then counters since the start. `udp_addresses` are client addresses that are listened to."""

    connections: int
    sessions: int
    udp_addresses: int
    viewers: tuple[PlaybackStatistics, ...]
    accepted: int
    refused: int
    requests: int
    malformed: int
    logins_refused: int
    silent: int
    slow: int
    failures: int


class RtspServer:
    """Serves the fan-out's tracks on a listening TCP socket, which it takes over. Use on the running loop."""

    def __init__(self, fanout: Fanout, listener: socket.socket, options: EgressOptions, events: EgressEvents) -> None:
        self._listener = listener
        self._fanout = fanout
        self._options = options
        self._events = events
        self._parts: ServerParts | None = None
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind the pair of UDP ports and accept; raises RefusedError (`udp.no_port`)."""
        ports = PortPair(self._options.host, QUEUE_BUDGETS * self._options.viewer_budget_bytes)
        self._parts = ServerParts(self._fanout, self._events, self._options, ports)
        loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        self._server = await loop.create_server(self._connection, sock=self._listener)
        self._ticker = loop.create_task(self._tick(), name="rtsp deadlines")

    def _connection(self) -> asyncio.Protocol:
        assert self._parts is not None
        spare = self._options.rtsp_connections - len(self._parts.connections)
        if spare <= 0 and self._parts.strangers:
            # Who opens many connections and says nothing keeps nobody else out.
            longest = next(iter(self._parts.strangers))
            del self._parts.strangers[longest]
            longest.end("its place was needed")
            spare = 1
        if spare <= -OVER_LIMIT:
            self._parts.counters.refused += 1
            return _Cut()
        return RtspConnection(self._parts, over=spare <= 0)

    async def _tick(self) -> None:
        assert self._parts is not None
        loop = asyncio.get_running_loop()
        step = min(TICK_S, self._options.viewer_silence_s / 4, self._options.request_s / 4)
        own = OwnTime(loop.time(), step)
        while True:
            await asyncio.sleep(step)
            now = loop.time()
            lost = own.look(now)
            for connection in tuple(self._parts.connections):
                if lost:
                    connection.forgive(lost, now)
                connection.tick(now)

    def listener_copy(self) -> int:
        """A copy of the listening socket, for the caller to close. Raises ConflictError (`egress.no_listener`)."""
        if self._server is None or not self._server.is_serving():
            raise ConflictError("egress.no_listener", "no RTSP connections are accepted here")
        return os.dup(self._listener.fileno())

    def drain(self) -> None:
        """Accept no more and let go of the listening socket; who is connected stays."""
        if self._server is not None:
            self._server.close()

    def held(self) -> tuple[tuple[Watcher, ...], tuple[Described, ...]]:
        """The viewers, and what connections keep open whether they play or not."""
        parts = self._parts
        if parts is None:
            return (), ()
        watchers = tuple(one for playback in parts.playbacks.values() if (one := playback.held()) is not None)
        dialogues = [connection.dialogue for connection in parts.connections]
        holds = [hold for dialogue in dialogues if dialogue is not None for hold in dialogue.holds]
        described = [Described(h.name, h.description.lobby, tuple(t.key for t in h.description.tracks)) for h in holds]
        return watchers, tuple(described)

    async def kick(self, viewer: str, reason: str) -> bool:
        """End a viewer; False: there is no such viewer here. When it returns, the viewer is gone."""
        parts = self._parts
        if parts is None or viewer not in parts.playbacks:
            return False
        for connection in tuple(parts.connections):
            if connection.viewer == viewer:
                connection.finish(reason)
        return viewer not in parts.playbacks

    def statistics(self) -> RtspStatistics | None:
        """What is open and what was counted; None before `start`."""
        parts = self._parts
        if parts is None:
            return None
        counters = parts.counters
        return RtspStatistics(
            connections=len(parts.connections),
            sessions=len(parts.playbacks),
            udp_addresses=parts.ports.listening,
            viewers=tuple(playback.statistics() for playback in parts.playbacks.values()),
            accepted=counters.connections,
            refused=counters.refused,
            requests=counters.requests,
            malformed=counters.malformed,
            logins_refused=counters.logins_refused,
            silent=counters.silent,
            slow=counters.slow,
            failures=counters.failures,
        )

    async def close(self) -> None:
        """Accept no more, say BYE to all, close; whoever has not taken its last bytes within `CLOSE_S` is cut off."""
        if self._server is not None:
            self._server.close()
        else:
            self._listener.close()
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        parts, self._parts = self._parts, None
        if parts is None:
            return
        connections = tuple(parts.connections)
        workers = [worker for connection in connections if (worker := connection.worker) is not None]
        for connection in connections:
            connection.finish("the server ends")
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await self._drain(parts)
        parts.ports.close()

    async def _drain(self, parts: ServerParts) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CLOSE_S
        while parts.connections and loop.time() < deadline:
            await asyncio.sleep(0.01)
        for connection in tuple(parts.connections):
            connection.end("the server ends")
        await asyncio.sleep(0)  # connection_lost is called in the loop's next round


class _Cut(asyncio.Protocol):
    """A connection far over the limit."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        transport.abort()
