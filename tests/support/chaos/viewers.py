"""Viewers under chaos: they do nothing wrong, come again by themselves as good players do, and note what they saw."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import httpx

from tests.support.storm_viewers import RtspPlayer, Watcher, WhepPlayer

ASK_S = 1.0  # for the answer, too
COME_S, LONGEST_S = 8.0, 40.0  # until it gives up one attempt to come, where the machine has time and at most


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


class Viewer(Watcher):
    """Tells `lost` of each session that the host ended or lost. `slowness`: of the machine, for which it waits."""

    ask_s = ASK_S

    def __init__(
        self,
        kind: str,
        lobby: str,
        host: tuple[httpx.AsyncClient, str] | None,
        lost: Callable[[Viewer], None] = lambda viewer: None,
        slowness: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._lost = lost
        self._slowness = slowness
        super().__init__(f"{kind}-{lobby}", lobby, host, whep=kind == "whep")

    def player(self) -> RtspPlayer | WhepPlayer:
        assert self._players is not None
        return Whep(self._players[0], self.lobby) if self._whep else super().player()

    def patience_s(self) -> float:
        return min(LONGEST_S, COME_S * self._slowness())

    def gone(self, why: str) -> None:
        super().gone(why)
        if self.has_session:
            self._lost(self)
