"""Requests to open an instance that are being worked on in a lobby worker, and those whose asker is gone.

What opens for a control plane that died belongs to nobody: no stock names it, so it ends when it is open.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any


class Openings:
    """`close(instance)` ends an instance, also one that is just being opened; it raises nothing.

    An asker is whatever is the same object for as long as its answers can be heard.
    """

    def __init__(self, close: Callable[[str], Awaitable[None]]) -> None:
        self._close = close
        self._asked: list[tuple[str, Any]] = []
        self._ending: dict[str, asyncio.Task[None]] = {}

    @contextlib.contextmanager
    def asked(self, instance: str, asker: Any) -> Iterator[None]:
        """While a request to open is worked on."""
        entry = (instance, asker)
        self._asked.append(entry)
        try:
            yield
        finally:
            self._asked.remove(entry)

    def under_way(self, instance: str) -> bool:
        """Whether it is being opened, or ended because nobody wants it."""
        return instance in self._ending or any(name == instance for name, _ in self._asked)

    def end_unheard(self, asker: Any) -> None:
        """Begin to end what others than this one asked for."""
        loop = asyncio.get_running_loop()
        for instance in {name for name, who in self._asked if who is not asker} - self._ending.keys():
            self._ending[instance] = loop.create_task(self._end(instance), name=f"end of {instance}")

    async def _end(self, instance: str) -> None:
        try:
            await self._close(instance)
        finally:
            del self._ending[instance]

    async def settled(self, instance: str) -> None:
        """Wait until an unwanted one of this name is gone."""
        if (task := self._ending.get(instance)) is not None:
            await asyncio.wait({task})
