"""`/api/v1/devices`, `/api/v1/leases`, `/api/v1/admissions`: what encodes, what is lent of it, what was decided."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from steadycast.api import paging
from steadycast.api.params import Limit, LobbyQuery
from steadycast.errors import NotFoundError
from steadycast.lobbies.device_views import AdmissionView, DeviceView, LeaseView
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.views import Page

DevicePath = Annotated[str, Path(min_length=1, max_length=200, description="Id of the device, `nvidia:GPU-6d3f...`.")]
DeviceQuery = Annotated[str | None, Query(min_length=1, max_length=200, description="Only of this device.")]
# Longer than elsewhere: a lease is named by its holder and its quota.
After = Annotated[
    str | None, Query(min_length=1, max_length=600, description="`next` of the answer before: the items after it.")
]
Result = Annotated[
    Literal["grant", "fallback", "queue", "deny", "promotion"] | None,
    Query(description="Only decisions that ended so."),
]


def devices_router(lobbies: Lobbies) -> APIRouter:
    """List and get devices; try one again."""
    api = APIRouter(prefix="/api/v1/devices", tags=["devices"])

    @api.get("")
    async def list_(limit: Limit = 50, after: After = None) -> Page[DeviceView]:
        """What encodes here, hardware and software, with what is lent of it and why it is not used. Unknown is null."""
        return paging.part(lobbies.devices(), after, limit, lambda device: device.id)

    @api.get("/{device}")
    async def get(device: DevicePath) -> DeviceView:
        """A device by its id."""
        for view in lobbies.devices():
            if view.id == device:
                return view
        raise NotFoundError("device.unknown", "No such device.", hint="GET /api/v1/devices lists those there are.")

    @api.post("/{device}/retry")
    async def retry(device: DevicePath) -> DeviceView:
        """Reset the device's breaker, also a latched one, and find out by new trials what it encodes."""
        return await lobbies.retry_device(device)

    return api


def leases_router(lobbies: Lobbies) -> APIRouter:
    """What is lent now."""
    api = APIRouter(prefix="/api/v1/leases", tags=["devices"])

    @api.get("")
    async def list_(
        limit: Limit = 50, after: After = None, lobby: LobbyQuery = None, device: DeviceQuery = None
    ) -> Page[LeaseView]:
        """Parts of quotas and who holds them, by holder. `lobby` is an id."""
        items = (lease for lease in lobbies.leases() if lobby in (None, lease.lobby) and device in (None, lease.device))
        return paging.part(items, after, limit, lambda lease: f"{lease.holder} {lease.quota} {lease.device}")

    return api


def admissions_router(lobbies: Lobbies) -> APIRouter:
    """What was decided lately, and why."""
    api = APIRouter(prefix="/api/v1/admissions", tags=["devices"])

    @api.get("")
    async def list_(
        limit: Limit = 50, after: After = None, lobby: LobbyQuery = None, result: Result = None
    ) -> Page[AdmissionView]:
        """Decisions, newest first, each with a trail: every option, and why not. `lobby` is an id."""

        def wanted(view: AdmissionView) -> bool:
            return lobby in (None, view.lobby) and result in (None, view.result)

        return paging.admissions(lobbies.admissions, wanted, paging.number(after), limit)

    return api
