"""Tasks that last as long as their owner: one that fails is told, as nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger("host")


def lasting(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Begin `work`; where it fails, that is said with its name. Its owner keeps it, and cancels it at the end."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    task.add_done_callback(_told)
    return task


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("nothing does this any more", task=task.get_name(), exc_info=error)
