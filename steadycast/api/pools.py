"""`/api/v1/pools`: what is kept for the next who wants it, and how often that helped."""

from __future__ import annotations

from fastapi import APIRouter

from steadycast.api import paging
from steadycast.api.params import After, Limit
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.pool_views import PoolView
from steadycast.lobbies.views import Page


def router(lobbies: Lobbies) -> APIRouter:
    """The pools of this host."""
    api = APIRouter(prefix="/api/v1/pools", tags=["pools"])

    @api.get("")
    async def list_(limit: Limit = 50, after: After = None) -> Page[PoolView]:
        """Spare workers, parked encoders and whatever else is kept: bounds, what there is now, totals since the start.
        `reuse` is the share of those who came that had one at once, null before the first. There are 32 at most."""
        return paging.part(lobbies.pools(), after, limit, lambda pool: pool.name)

    return api
