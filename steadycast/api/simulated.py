"""`/api/v1/system/simulated`: faults of the simulated vendor, on command. It is there only where that vendor is on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Body
from pydantic import Field

if TYPE_CHECKING:  # no host loads it that has not switched it on
    from steadycast.vendors.simulated.vendor import SimulatedVendor

Faults = dict[str, Annotated[float, Field(strict=True)]]


def router(vendor: SimulatedVendor) -> APIRouter:
    """Reading and setting faults."""
    api = APIRouter(prefix="/api/v1/system/simulated", tags=["system"])

    @api.get("/faults")
    async def faults() -> dict[str, int]:
        """All faults that there are, with their values now; 0 is off."""
        return await asyncio.to_thread(vendor.faults)

    @api.put("/faults")
    async def set_faults(faults: Annotated[Faults, Body()]) -> dict[str, int]:
        """Change the faults that are named, leave the others, and answer with all."""
        return await asyncio.to_thread(vendor.set_faults, faults)

    return api
