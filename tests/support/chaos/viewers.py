"""Viewers under chaos: they do nothing wrong, come again by themselves as good players do, and note what they saw."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable

import httpx

from tests.support.storm_viewers import Gone, Refused, RtspPlayer, WhepPlayer, stop

ASK_S = 1.0  # one that sees nothing asks whether it is still a viewer
COME_S = 8.0  # until it gives up one attempt
AGAIN_S = 0.25  # between attempts


class Whep(WhepPlayer):
    """Asks whether it is one, and does not take a host that is away for a no."""

    async def frame(self) -> None:
        await super().frame()
        self._light.reports.clear()

    async def is_one(self) -> bool:
        viewer = (self._path or "").rpartition("/")[2]
        with contextlib.suppress(httpx.TransportError):
            return (await self._http.get(f"/api/v1/viewers/{viewer}", timeout=ASK_S)).status_code != 404
        return True


class Viewer:
    """Watches a lobby until it is told to stop. `last` is when it saw a picture last (monotonic seconds)."""

    def __init__(
        self, kind: str, lobby: str, host: tuple[httpx.AsyncClient, str] | None, lost: Callable[[Viewer], None]
    ) -> None:
        self.name = f"{kind}-{lobby}"
        self.lobby = lobby
        self.kind = kind
        self.last = time.monotonic()
        self.frames = 0
        self.has_session = False
        self.doing = "coming"
        self.refusals: Counter[str] = Counter()
        self.ends: deque[tuple[float, str]] = deque(maxlen=200)  # its sessions that the host ended or lost
        self.longest = 0.0  # without a picture, seconds
        self._host = host
        self._lost = lost
        self._task = asyncio.create_task(self._watch(), name=self.name)

    @property
    def dark_s(self) -> float:
        return time.monotonic() - self.last

    async def stop(self) -> None:
        await stop(self._task)

    def _player(self) -> RtspPlayer | Whep:
        assert self._host is not None
        http, rtsp = self._host
        return Whep(http, self.lobby) if self.kind == "whep" else RtspPlayer(rtsp, self.lobby)

    async def _watch(self) -> None:
        while True:
            player = self._player()
            try:
                self.doing = "coming"
                async with asyncio.timeout(COME_S):
                    await player.start()
                self.has_session = True
                await self._look(player)
            except Refused as refused:
                self.doing = f"refused {refused}"
                self.refusals[str(refused)] += 1
            except TimeoutError:
                self.doing = "no answer"
                self.refusals["no answer"] += 1
            except Gone as gone:
                self._gone(str(gone))
            finally:
                self.has_session = False
                await player.leave(goodbye=False)
            await asyncio.sleep(AGAIN_S)

    def _gone(self, why: str) -> None:
        self.doing = f"gone: {why}"
        self.refusals[f"gone {why}"[:60]] += 1
        if self.has_session:
            self.ends.append((time.monotonic(), why))
            self._lost(self)

    async def _look(self, player: RtspPlayer | Whep) -> None:
        while True:
            self.doing = "watching"
            waiting = asyncio.ensure_future(player.frame())
            try:
                while not (await asyncio.wait({waiting}, timeout=ASK_S))[0]:
                    self.doing = "sees nothing"
                    if not await player.is_one():
                        raise Gone("told so")
                waiting.result()
            finally:
                waiting.cancel()
            self.frames += 1
            self.longest = max(self.longest, self.dark_s)
            self.last = time.monotonic()
