"""The HTTP server: uvicorn on a socket that is bound already, started and stopped by the host."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from steadycast.errors import WorkerError
from steadycast.serve.connection import Connection, Places

START_S = 10.0
DRAIN_S = 3  # seconds that requests get to end by themselves
STOP_S = 6.0
CONNECTIONS = 2000
KEEP_ALIVE_S = 30
DEAD_S = 30  # a client that takes nothing of what it is sent, or answers no probe, so long is cut off by the kernel


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the host."""
        yield


class HttpServer:
    """Serves an application on a socket, which belongs to it."""

    def __init__(self, app: FastAPI, listening: socket.socket, places: Places | None = None) -> None:
        _tune(listening)
        config = uvicorn.Config(
            app,
            http=cast(Any, partial(Connection, Places() if places is None else places)),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
        )
        self._server = _Server(config)
        self._listening = listening
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Answer requests from now on; raises WorkerError where that does not come true in time."""
        self._running = asyncio.create_task(self._server.serve(sockets=[self._listening]), name="http")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while not self._server.started and not self._running.done():
                    await asyncio.sleep(0.01)
        if not self._server.started:
            raise WorkerError("http.start", f"The HTTP server did not start within {START_S:g} s.")

    async def stop(self) -> None:
        """Take no new requests, let those that run end, close the connections."""
        if self._running is None:
            return
        self._server.should_exit = True
        done, _ = await asyncio.wait({self._running}, timeout=STOP_S)
        if not done:
            self._running.cancel()
            await asyncio.wait({self._running})


def _tune(listening: socket.socket) -> None:
    """Connections inherit these of the socket that accepts them (tcp(7))."""
    options = [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, DEAD_S // 3),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, DEAD_S // 3),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_S * 1000),
    ]
    for level, name, value in options:
        listening.setsockopt(level, name, value)
