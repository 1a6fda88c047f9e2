"""A worker that counts aloud, and says in pages how far it counted. Started by the supervisor like any other."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from steadycast.workers import child
from steadycast.workers.channel import Descriptors
from steadycast.workers.child import Parent, run_child
from steadycast.workers.messages import CloseRendition, ForceKeyframe, RtspDescribe, RtspGone, ShowSource
from steadycast.workers.messages.stock import LobbyStock, Stock

TICK_S = 0.01
PAGES = 3


class Ticking:
    """`CloseRendition.name` is the order. It counts only what was sent; its stock has a page for each reader."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._count = 0
        self._nonsense = False
        self._order: ShowSource | None = None
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._tick())]

    def on_message(self, message: Any, fds: Descriptors) -> None:
        if isinstance(message, ForceKeyframe):
            if message.track == "hang":
                time.sleep(600)
            self._parent.post(message)

    async def on_request(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        if isinstance(message, ShowSource):
            self._order = message
        match message.name if isinstance(message, CloseRendition) else "":
            case "ask the next":
                self._tasks.append(asyncio.get_running_loop().create_task(self._ask_the_next()))
            case "speak another protocol":
                vars(child)["PROTOCOL"] = 3
            case "hold nonsense":
                self._nonsense = True
        return {"pid": os.getpid()}

    def statistics(self) -> dict[str, Any]:
        return {"count": self._count}

    def stock(self, after: int) -> tuple[Stock, int | None]:
        if self._nonsense:
            return LobbyStock(), after  # the same page for ever
        readers: dict[str, tuple[str, ...]] = {f"track {after}": (str(self._count),)}
        return LobbyStock(self._order, readers=readers), after + 1 if after + 1 < PAGES else None

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._count += self._parent.post(RtspGone(str(self._count + 1)))

    async def _ask_the_next(self) -> None:
        """Once this control plane is gone: ask the one that comes."""
        asked_by = self._parent.channel
        while self._parent.channel is asked_by:  # the next one may be there within a tick
            await asyncio.sleep(TICK_S)
        await self._parent.reached(60)
        answer = await self._parent.request(RtspDescribe("/one", "hold", "127.0.0.1:9"), deadline=60)
        sys.stderr.write(f"answered: {answer['text']}\n")


if __name__ == "__main__":
    run_child("lobby", Ticking)
