"""Tells another server of findings: JSON by POST, a few tries, in a thread, one after the other. Nobody waits."""

from __future__ import annotations

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

import structlog

log = structlog.get_logger("webhook")

WAITING = 64  # the oldest goes
WAITS_S = (1.0, 5.0)  # between tries
_FAULTS = (OSError, http.client.HTTPException, ValueError)


class Webhook:
    """One receiver. `told` and `lost` count what was taken by it, and what was not."""

    def __init__(self) -> None:
        self.told = self.lost = 0
        self._waiting: deque[tuple[str, float, bytes]] = deque(maxlen=WAITING)
        self._task: asyncio.Task[None] | None = None

    def tell(self, url: str, deadline_s: float, body: Mapping[str, Any]) -> None:
        """Send when it is its turn."""
        if len(self._waiting) == WAITING:
            self.lost += 1
        self._waiting.append((url, deadline_s, json.dumps(body, default=_plain).encode()))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._send_all(), name="webhook")

    async def close(self) -> None:
        """What waits is not told any more."""
        self.lost += len(self._waiting)
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _send_all(self) -> None:
        while self._waiting:
            url, deadline_s, body = self._waiting.popleft()
            why = None
            for wait in (*WAITS_S, None):
                why = await asyncio.to_thread(_post, url, deadline_s, body)
                if why is None or wait is None:
                    break
                await asyncio.sleep(wait)
            if why is None:
                self.told += 1
            else:
                self.lost += 1
                log.error("a finding was not told", why=why, tries=len(WAITS_S) + 1)


def _plain(value: object) -> object:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Findings go where the operator said, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(url: str, deadline_s: float, body: bytes) -> str | None:
    """Why it was not taken; None where it was. The address is not told: it may hold a secret."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=deadline_s):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"it answered {error.code}"
    except _FAULTS as error:
        return f"{type(error).__name__}: {error}".replace(url, "(address)")
