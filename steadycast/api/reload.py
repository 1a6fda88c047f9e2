"""`/api/v1/system/reload`: the host reads its config again."""

from __future__ import annotations

from typing import Annotated, Protocol

from fastapi import APIRouter, Query

from steadycast.errors import CallerError, ConfigError
from steadycast.lobbies.reload_views import ReloadView

DryRun = Annotated[bool, Query(description="Only say what would change.")]


class Reloads(Protocol):
    """Who reads the config again."""

    async def reload(self, dry_run: bool) -> ReloadView:
        """Raises ConfigError where what was read is no good, ConflictError where it cannot be read now."""


def router(reloads: Reloads) -> APIRouter:
    """The one verb."""
    api = APIRouter(prefix="/api/v1/system/reload", tags=["system"])

    @api.post("")
    async def reload(dry_run: DryRun = False) -> ReloadView:
        """Read the config file, the environment and the command line again and apply what changed.

        Answers when every lobby that changed shows again; where one does not, all is rolled back and `outcome` and
        `why` say so. A file that is no good changes nothing (422). Lobbies that are not named in the plan, or are
        `untouched`, lose no frame.
        """
        try:
            return await reloads.reload(dry_run)
        except ConfigError as error:
            raise CallerError(error.code, error.what, why=error.why, hint=error.hint, status=422) from None

    return api
