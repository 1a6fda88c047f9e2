"""Guard's own HTTP API, on loopback: state, findings, events, restarts; restart, reset, pause; metrics."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

from steadycast.config.tokens import read_hash
from steadycast.errors import CallerError, ConfigError, NotFoundError, SteadycastError, WorkerError
from steadycast.watching.guard.door import Door, problem
from steadycast.watching.guard.keeper import Keeper
from steadycast.watching.guard.metrics import MEDIA_TYPE, metrics_text
from steadycast.watching.guard.policy import ApiPolicy
from steadycast.watching.guard.views import findings_of, restarts_of
from steadycast.workers.codec import to_plain

START_S = 10.0
STOP_S = 5.0
CONNECTIONS = 64
BACKLOG = 16
WHO = "a person over the API"
_PLAIN = {404: "There is nothing at this address.", 405: "This address does not take this method."}


class Pause(BaseModel):
    """Whether guard does nothing from now on."""

    model_config = ConfigDict(extra="forbid")
    paused: bool = True


def make_app(keeper: Keeper, token_hash: str | None) -> Door:
    """The application behind its door."""
    app = FastAPI(title="steadycast guard", docs_url=None, redoc_url=None)
    _errors(app)
    _reading(app, keeper)
    _asking(app, keeper)
    return Door(app, None if token_hash is None else read_hash(token_hash))


def _reading(app: FastAPI, keeper: Keeper) -> None:
    @app.get("/api/v1/state")
    async def state() -> dict[str, Any]:
        return keeper.status()

    @app.get("/api/v1/findings")
    async def findings() -> dict[str, Any]:
        return {"findings": findings_of(keeper)}

    @app.get("/api/v1/restarts")
    async def restarts() -> dict[str, Any]:
        return {"restarts": restarts_of(keeper)}

    @app.get("/api/v1/events")
    async def events(
        after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> dict[str, Any]:
        found = keeper.journal.entries(after, limit)
        return {"events": [to_plain(one) for one in found], "last": found[-1].number if found else after}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(metrics_text(keeper), media_type=MEDIA_TYPE)


def _asking(app: FastAPI, keeper: Keeper) -> None:
    @app.post("/api/v1/restart", status_code=202)
    async def restart() -> dict[str, Any]:
        keeper.ask_restart(WHO)
        return {"asked": True}

    @app.post("/api/v1/reset")
    async def reset() -> dict[str, Any]:
        return {"was_latched": keeper.reset(WHO)}

    @app.post("/api/v1/pause")
    async def pause(body: Pause | None = None) -> dict[str, Any]:
        paused = True if body is None else body.paused
        keeper.pause(WHO, paused)
        return {"paused": paused}


def _errors(app: FastAPI) -> None:
    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, SteadycastError)
        return problem(error)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        what = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."
        return problem(CallerError("request.invalid", what, status=422))

    async def plain(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        what = _PLAIN.get(error.status_code, str(error.detail))
        if error.status_code == 404:
            return problem(NotFoundError("request.path", what, hint="docs/guard.md lists the addresses."))
        return problem(CallerError("request.invalid", what, status=error.status_code))

    app.add_exception_handler(SteadycastError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are guard's."""
        yield


class Api:
    """Serves the application until closed."""

    def __init__(self, keeper: Keeper, policy: ApiPolicy) -> None:
        assert policy.port is not None
        self._listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listening.bind(("127.0.0.1", policy.port))
        except OSError as error:
            self._listening.close()
            what = f"api.port: {policy.port} cannot be listened on: {error.strerror or error}."
            raise ConfigError("guard.port", what) from None
        config = uvicorn.Config(
            make_app(keeper, policy.token_hash),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            backlog=BACKLOG,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises WorkerError where it does not answer in time."""
        self._running = asyncio.create_task(self._server.serve(sockets=[self._listening]), name="api")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while not self._server.started and not self._running.done():
                    await asyncio.sleep(0.01)
        if not self._server.started:
            raise WorkerError("guard.api", f"The API did not start within {START_S:g} s.")

    async def close(self) -> None:
        """Close all connections."""
        if self._running is not None:
            self._server.should_exit = True
            _, late = await asyncio.wait({self._running}, timeout=STOP_S)
            for task in late:
                task.cancel()
        self._listening.close()
