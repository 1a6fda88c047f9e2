"""`/api/v1/receipts`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from steadycast.api.params import After, Limit, LobbyQuery
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.store import ReceiptFilter
from steadycast.lobbies.views import Page
from steadycast.model import Receipt, Subject

SubjectQuery = Annotated[Subject | None, Query(description="Only of these.")]
CleanQuery = Annotated[bool | None, Query(description="Only clean ones, or only those that are not.")]
WorkerQuery = Annotated[str | None, Query(min_length=1, max_length=80, description="Only of or in this worker.")]
ReceiptPath = Annotated[str, Path(min_length=1, max_length=80, description="Id of the receipt.")]


def router(lobbies: Lobbies) -> APIRouter:
    """What was measured after workers, renditions and viewers ended."""
    api = APIRouter(prefix="/api/v1/receipts", tags=["receipts"])

    @api.get("")
    async def list_(
        limit: Limit = 50,
        after: After = None,
        lobby: LobbyQuery = None,
        subject: SubjectQuery = None,
        clean: CleanQuery = None,
        worker: WorkerQuery = None,
    ) -> Page[Receipt]:
        """Receipts, newest first. `lobby` and `worker` are ids: of both nothing may be left."""
        return await lobbies.receipts(after, limit, ReceiptFilter(lobby, subject, clean, worker))

    @api.get("/{receipt}")
    async def get(receipt: ReceiptPath) -> Receipt:
        """One receipt."""
        return await lobbies.receipt(receipt)

    return api
