"""`/api/v1/findings`: leaks and drifts, with their evidence."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from steadycast.api.paging import part
from steadycast.api.params import After, Limit, LobbyQuery
from steadycast.errors import NotFoundError
from steadycast.lobbies.views import Page
from steadycast.model import FindingState
from steadycast.upkeep.upkeep import Upkeep
from steadycast.upkeep.views import FindingView, finding_view

FindingPath = Annotated[str, Path(min_length=1, max_length=80, description="Id of the finding.")]
StateQuery = Annotated[FindingState | None, Query(description="Only those in this state.")]
OpenQuery = Annotated[bool | None, Query(description="Only those that are open, or only those that are not.")]


def router(upkeep: Upkeep) -> APIRouter:
    """What leaks, how fast, since when, why probably, and until when it can go on."""
    api = APIRouter(prefix="/api/v1/findings", tags=["findings"])

    @api.get("")
    async def list_(
        limit: Limit = 50,
        after: After = None,
        state: StateQuery = None,
        open: OpenQuery = None,
        lobby: LobbyQuery = None,
    ) -> Page[FindingView]:
        """Findings of this host, by their ids. `suspect` waits for a probe and needs nobody; `confirmed` does."""
        found = [
            finding_view(one)
            for one in upkeep.findings()
            if state in (None, one.state)
            and open in (None, one.state in (FindingState.SUSPECT, FindingState.CONFIRMED))
            and lobby in (None, one.owner.about.lobby)
        ]
        return part(found, after, limit, lambda one: one.id)

    @api.get("/{finding}")
    async def get(finding: FindingPath) -> FindingView:
        """One finding."""
        for one in upkeep.findings():
            if one.id == finding:
                return finding_view(one)
        raise NotFoundError("finding.unknown", "No such finding.", hint="GET /api/v1/findings lists those there are.")

    return api
