"""Puts the HTTP side together: the nouns, the door in front of them, and errors as problems. Starts nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.security import HTTPBearer

from steadycast import __version__
from steadycast.api import (
    devices,
    errors,
    events,
    evidence,
    findings,
    history,
    lobbies,
    lobby_memory,
    metrics,
    page,
    pools,
    receipts,
    reload,
    simulated,
    system,
    viewers,
    whep,
)
from steadycast.api.guard import Guard
from steadycast.api.intake import Intake, Outgo
from steadycast.api.security import Rules, rules_from
from steadycast.config.current import HostSettings
from steadycast.config.settings import LobbySettings
from steadycast.lobbies.lobbies import Lobbies
from steadycast.workers.canary import Canary

if TYPE_CHECKING:
    from steadycast.upkeep.upkeep import Upkeep
    from steadycast.vendors.simulated.vendor import SimulatedVendor

_TEXT = """Lobbies and their viewers. A lobby is named by its id or its key everywhere. Errors are
`application/problem+json` (RFC 9457) with a stable `code`, and `why`, `hint` and `retry_after` where they help."""


_NOUNS = (
    lobbies.router, viewers.router, receipts.router, evidence.router, devices.devices_router, devices.leases_router,
    devices.admissions_router, events.router, pools.router,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Extras:
    """What not every host has: faults can be set where there is a `simulated` vendor, the config can be read again
    where `reloads` does it, history and findings are there where `upkeep` looks."""

    simulated: SimulatedVendor | None = None
    reloads: reload.Reloads | None = None
    upkeep: Upkeep | None = None


def create_app(
    rooms: Lobbies,
    settings: HostSettings,
    *,
    files: page.PageFiles | None = None,
    state: Path | None = None,
    canary: Canary | None = None,
    more: Extras | None = None,
) -> FastAPI:
    """The ASGI application. `files` are those of the page, `state` the folder of the store. Raises ConfigError.

    `canary` is closed by whoever starts the host; the event stream ends with `rooms.events.close()`, which has to be
    called before a server waits for its connections to end.
    """
    started, began = time.time(), time.monotonic()
    rules = rules_from(settings)
    app = FastAPI(
        title="Steadycast",
        version=__version__,
        description=_TEXT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": errors.DOCUMENTED},
        # Checked by the guard, which sees every request; here only so that the description says it.
        dependencies=[Depends(HTTPBearer(auto_error=False))] if rules.token else [],
    )
    more = more or Extras()
    facts = system.HostFacts(state, started, began, settings, more.upkeep)
    for router_of in _NOUNS:
        app.include_router(router_of(rooms))
    app.include_router(system.router(rooms, canary or Canary(), facts))
    app.include_router(lobby_memory.router(rooms, more.upkeep))
    app.include_router(metrics.router(rooms, began, more.upkeep))
    app.include_router(whep.router(rooms, settings.webrtc.ice_servers))
    app.include_router(page.docs_router())
    for router in (*_extra(more), *(() if files is None else (page.router(files),))):
        app.include_router(router)
    errors.install(app, body_schema())
    _add_doors(app, settings, rules)
    return app


def _extra(more: Extras) -> Iterator[APIRouter]:
    if more.reloads is not None:
        yield reload.router(more.reloads)
    if more.simulated is not None:
        yield simulated.router(more.simulated)
    if more.upkeep is not None:
        yield history.router(more.upkeep.history)
        yield findings.router(more.upkeep)


def _add_doors(app: FastAPI, settings: HostSettings, rules: Rules) -> None:
    """The last one added is the outermost."""
    app.add_middleware(errors.Crash)
    app.add_middleware(Intake, body_bytes=settings.http.body_bytes, sdp_bytes=settings.limits.sdp_bytes)
    app.add_middleware(Guard, rules=rules)
    app.add_middleware(Outgo)


def body_schema() -> dict[str, Any]:
    """JSON schema of the one body that the API takes."""
    return LobbySettings.model_json_schema()
