"""`/api/v1/system`: what this host is, and whether it is well."""

from __future__ import annotations

import asyncio
import platform
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response

from steadycast import __version__
from steadycast.config.current import HostSettings
from steadycast.errors import SteadycastError
from steadycast.lobbies.device_views import GpuStatus
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.survival_views import AdoptionView
from steadycast.lobbies.views import LobbiesStatistics
from steadycast.model import LobbyState, WorkerKind
from steadycast.upkeep.upkeep import Upkeep
from steadycast.upkeep.views import Watched
from steadycast.workers.canary import Canary

STORE_S = 5.0  # a read of the store
DISK_BYTES = 64 * 1024 * 1024  # less is free: receipts and lobbies may soon not be written


@dataclass(frozen=True, slots=True)
class SystemView:
    """This host, and what its lobbies may show. Times are Unix seconds, `uptime_s` seconds."""

    name: str
    version: str
    python: str
    platform: str
    started: float
    uptime_s: float
    rtsp_port: int
    applications: tuple[str, ...]  # what a desktop lobby may name
    any_command: bool
    file_folders: tuple[str, ...]
    statistics: LobbiesStatistics
    adoption: AdoptionView | None = None  # what it found of a host before, None: nothing
    watched: Watched | None = None  # what it looks at of itself, None: it does not


@dataclass(frozen=True, slots=True)
class PartHealth:
    """One part of the host: whether it is well, and why not."""

    ok: bool
    why: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Health:
    """`ok` only if every part is."""

    ok: bool
    parts: dict[str, PartHealth]


def judge_workers(statistics: LobbiesStatistics) -> PartHealth:
    """Well unless something could not be cleaned up: then a person has to look."""
    by_kind = {kind.value: sum(w.kind == kind for w in statistics.workers) for kind in WorkerKind}
    stuck = statistics.lobbies.get(LobbyState.CLEANUP_INCOMPLETE, 0)
    why = f"{stuck} lobbies could not be cleaned up; see /api/v1/receipts." if stuck else None
    return PartHealth(not stuck, why, {**by_kind, "restarts_total": statistics.restarts_total})


def judge_lobbies(statistics: LobbiesStatistics) -> PartHealth:
    """Well unless a lobby crashed so often that it is not started again: then a person has to look."""
    latched = statistics.latched
    if not latched:
        return PartHealth(True)
    why = f"{len(latched)} lobbies were started again too often and stay down. See why at /api/v1/lobbies/{latched[0]}"
    hint = f"put it right, then POST /api/v1/lobbies/{latched[0]}/restart or `steadycast lobby restart {latched[0]}`."
    return PartHealth(False, f"{why}; {hint}", {"latched": list(latched)})


def judge_egress(statistics: LobbiesStatistics, wanted: int) -> PartHealth:
    """Well if all egress workers run. Those that stand by or drain do not count."""
    running = statistics.egress.running
    why = None if running >= wanted else f"{running} of {wanted} egress workers run."
    return PartHealth(running >= wanted, why, {"running": running, "wanted": wanted})


def judge_findings(watched: Watched) -> PartHealth:
    """Well unless a leak is confirmed and goes on: then a person has to look. Suspects wait for their probe."""
    confirmed = watched.confirmed
    data = {"confirmed": len(confirmed), "suspects": len(watched.suspects)}
    if not confirmed:
        return PartHealth(True, None, data)
    more = f", and {len(confirmed) - 1} more" if len(confirmed) > 1 else ""
    return PartHealth(False, f"It leaks: {confirmed[0]}{more}. See /api/v1/findings or `steadycast findings`.", data)


async def look_at_store(lobbies: Lobbies, state: Path | None) -> PartHealth:
    """Well if it can be read in time and its disk has room."""
    try:
        await asyncio.wait_for(lobbies.receipts(None, 1), STORE_S)
        free = shutil.disk_usage(state).free if state is not None else None
    except TimeoutError:
        return PartHealth(False, f"The store did not answer within {STORE_S:g} s.")
    except SteadycastError as error:
        return PartHealth(False, error.what)
    except OSError as error:
        return PartHealth(False, f"The state folder cannot be looked at: {error.strerror}.")
    if waiting := lobbies.statistics().removals_waiting:
        why = (
            f"{waiting} deleted lobbies are still in the store: they come back if the host dies now. It is tried again."
        )
        return PartHealth(False, why, {"free_bytes": free, "removals_waiting": waiting})
    if free is not None and free < DISK_BYTES:
        return PartHealth(False, "The disk of the state folder is nearly full.", {"free_bytes": free})
    return PartHealth(True, None, {"free_bytes": free})


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What this noun needs to know of the host beside its lobbies. It `started` (Unix seconds) and `began` (seconds of
    the monotonic clock) at the same moment."""

    state: Path | None
    started: float
    began: float
    settings: HostSettings
    upkeep: Upkeep | None = None


def router(lobbies: Lobbies, canary: Canary, facts: HostFacts) -> APIRouter:
    """Information and health."""
    api = APIRouter(prefix="/api/v1/system", tags=["system"])

    @api.get("")
    async def info() -> SystemView:
        """What this host is, and its counters."""
        return SystemView(
            name=platform.node(),
            version=__version__,
            python=platform.python_version(),
            platform=platform.platform(),
            started=facts.started,
            uptime_s=time.monotonic() - facts.began,
            rtsp_port=facts.settings.rtsp_port,
            applications=tuple(facts.settings.sources.applications),
            any_command=facts.settings.sources.any_command,
            file_folders=tuple(str(folder) for folder in facts.settings.sources.file_folders),
            statistics=lobbies.statistics(),
            adoption=lobbies.adoption,
            watched=None if facts.upkeep is None else facts.upkeep.watched(),
        )

    _add_health(api, lobbies, canary, facts)
    _add_gpu_status(api, lobbies)
    return api


def _add_health(api: APIRouter, lobbies: Lobbies, canary: Canary, facts: HostFacts) -> None:
    @api.get("/health", responses={503: {"model": Health, "description": "A part is not well."}})
    async def health(response: Response) -> Health:
        """Whether the host can do its work: plays a tiny pipeline in a child, looks at workers, egress, store and
        confirmed leaks."""
        result, store = await asyncio.gather(canary.look(), look_at_store(lobbies, facts.state))
        statistics = lobbies.statistics()
        parts = {
            "pipeline": PartHealth(result.ok, result.why, {**result.told, "at": result.at, "took_s": result.took_s}),
            "workers": judge_workers(statistics),
            "lobbies": judge_lobbies(statistics),
            "egress": judge_egress(statistics, facts.settings.egress.workers),
            "store": store,
        }
        if facts.upkeep is not None:
            parts["findings"] = judge_findings(facts.upkeep.watched())
        ok = all(part.ok for part in parts.values())
        response.status_code = 200 if ok else 503
        return Health(ok, parts)


def _add_gpu_status(api: APIRouter, lobbies: Lobbies) -> None:
    @api.get("/gpu-status")
    async def gpu_status() -> GpuStatus:
        """Encoder sessions used and allowed, whether somebody encodes in software for want of one, and every device.

        What is not known is null, never 0.
        """
        return lobbies.gpu_status()
