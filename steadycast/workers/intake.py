"""What a worker says, on its way to who uses the worker: kept in order until somebody takes it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import structlog

from steadycast.errors import SteadycastError, WorkerError
from steadycast.workers.channel import Descriptors, OnMessage, OnRequest

log = structlog.get_logger("workers")

MAX_KEPT = 4096  # messages; a worker that says more before it is taken cannot be followed any more


class Intake:
    """Messages are kept and requests wait until `take` says who hears them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._on_message: OnMessage | None = None
        self._on_request: OnRequest | None = None
        self._kept: deque[tuple[Any, Descriptors]] = deque()
        self._taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed = False

    def take(self, on_message: OnMessage, on_request: OnRequest | None) -> None:
        """From now on these hear it; first of all what was kept, in order."""
        self._on_message, self._on_request = on_message, on_request
        while self._kept and not self._closed:
            self._deliver(on_message, *self._kept.popleft())
        if not self._taken.done():
            self._taken.set_result(None)

    def heard(self, message: Any, fds: Descriptors) -> bool:
        """False where there is no room to keep it."""
        if self._closed:
            return True
        if self._on_message is not None:
            self._on_message(message, fds)
        elif len(self._kept) < MAX_KEPT:
            self._kept.append((message, Descriptors([fds.take() for _ in range(len(fds))])))
        else:
            return False
        return True

    def pick(self, kind: type[Any]) -> Descriptors | None:
        """Take the first of this kind out of what is kept, with what came beside it; None where there is none."""
        found = next((kept for kept in self._kept if isinstance(kept[0], kind)), None)
        if found is None:
            return None
        self._kept.remove(found)
        return found[1]

    async def asked(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        """The answer of who takes it, once somebody does."""
        if not self._closed:
            await asyncio.shield(self._taken)
        if self._on_request is None:
            raise WorkerError("worker.nobody", f"nobody answers {type(message).__name__} of {self._name}")
        return await self._on_request(message, fds)

    def close(self) -> None:
        """Forget who hears it, and what nobody heard."""
        self._closed = True
        self._on_message = self._on_request = None
        while self._kept:
            self._kept.popleft()[1].close()
        if not self._taken.done():
            self._taken.set_result(None)

    def _deliver(self, on_message: OnMessage, message: Any, fds: Descriptors) -> None:
        kind = type(message).__name__
        try:
            on_message(message, fds)
        except SteadycastError as error:
            log.warning("message failed", worker=self._name, message=kind, what=error.what, why=error.why)
        except Exception:  # the edge of the room, as in a channel: one bad message must not lose those after it
            log.exception("message failed", worker=self._name, message=kind)
        finally:
            fds.close()
