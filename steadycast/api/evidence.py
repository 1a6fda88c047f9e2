"""`/api/v1/receipts/{receipt}/evidence`: why a worker hung."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from steadycast.lobbies.lobbies import Lobbies

ReceiptPath = Annotated[str, Path(min_length=1, max_length=64, description="Id of a receipt that names evidence.")]


def router(lobbies: Lobbies) -> APIRouter:
    """What was kept before a worker was killed."""
    api = APIRouter(prefix="/api/v1/receipts", tags=["receipts"])

    @api.get("/{receipt}/evidence")
    async def evidence(receipt: ReceiptPath) -> dict[str, Any]:
        """Stacks of its threads, graph of its pipeline, last log lines, and what /proc told; texts may be cut."""
        return await lobbies.evidence(receipt)

    return api
