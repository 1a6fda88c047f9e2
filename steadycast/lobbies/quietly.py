"""Orders to workers whose failure is no matter here."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import structlog

from steadycast.errors import SteadycastError

log = structlog.get_logger("lobby")


async def quietly(work: Coroutine[Any, Any, Any]) -> None:
    """A worker that does not do this is ended by others; it is only worth a line."""
    try:
        await work
    except SteadycastError as error:
        log.warning("a track could not be changed", code=error.code, what=error.what, why=error.why)
