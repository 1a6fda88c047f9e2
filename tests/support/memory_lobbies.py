"""The lobbies room without workers: it keeps lobbies and viewers in memory, so that the HTTP side can be tested alone.

It answers as `Lobbies` promises. SDP is not looked at, except for what a test asks for by a word in the offer.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any

from steadycast.config.settings import LobbySettings
from steadycast.errors import CallerError, NotFoundError, RefusedError, SourceError
from steadycast.lifecycle import ViewerState
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.store import ReceiptFilter
from steadycast.lobbies.views import (
    Deleted,
    EgressCounts,
    LobbiesStatistics,
    LobbyView,
    Page,
    ViewerView,
    WhepPatched,
    WhepSession,
    WorkerView,
)
from steadycast.model import Check, LobbyState, Protocol, Receipt, Rung, WorkerKind
from steadycast.workers.codec import to_plain
from tests.support.memory_devices import MemoryDevices

ETAG = "session-1"


def fits(receipt: Receipt, wanted: ReceiptFilter | None) -> bool:
    """As the store chooses."""
    if wanted is None:
        return True
    chosen = {"lobby": wanted.lobby, "subject": wanted.subject, "clean": wanted.clean, "worker": wanted.worker}
    return all(value in (None, getattr(receipt, name)) for name, value in chosen.items())


class MemoryLobbies(MemoryDevices, Lobbies):
    """`hold`: while it is not set, offers wait (a client may hang up meanwhile)."""

    def __init__(self) -> None:
        MemoryDevices.__init__(self)
        self.events = EventLog()
        self.denial: RefusedError | None = None  # what every offer is refused with
        self.hold = asyncio.Event()
        self.hold.set()
        self.waiting = asyncio.Event()
        self.ended: list[tuple[str, str]] = []
        self.offers_left = 1000
        self.egress_workers = 1
        self._shown: dict[str, LobbyView] = {}
        self._watching: dict[str, ViewerView] = {}
        self._written: list[Receipt] = []
        self._count = 0

    async def create(self, request: LobbySettings) -> tuple[LobbyView, bool]:
        if request.key is not None and request.key in {view.key for view in self._shown.values()}:
            return self.get(request.key), False
        if len(self._shown) >= 8:
            raise RefusedError("limit.lobbies", "All 8 lobbies are taken.", hint="Delete one.", retry_after=5)
        self._count += 1
        name = f"l{self._count:07d}"
        view = LobbyView(
            id=name,
            key=request.key,
            name=request.name,
            state=LobbyState.STARTING,
            since=time.time(),
            created=time.time(),
            why=None,
            hint=None,
            code=None,
            retry_at=None,
            source=to_plain(request.source),
            renditions=(),
            audio=False,
            viewers=0,
            workers=(),
            restarts=0,
            whep=f"/whep/{name}",
            rtsp=f"/{name}",
        )
        self._shown[name] = view
        self.events.publish("lobby", "lobby.STARTING", lobby=name)
        return view, True

    def get(self, id_or_key: str) -> LobbyView:
        for view in self._shown.values():
            if id_or_key in (view.id, view.key):
                return view
        raise NotFoundError("lobby.unknown", "No such lobby.", hint="GET /api/v1/lobbies lists those there are.")

    def list(self, after: str | None = None, limit: int = 50) -> Page[LobbyView]:
        names = list(self._shown)
        if after is not None and after not in names:
            raise CallerError("page.unknown", "No such page.")
        start = 0 if after is None else names.index(after) + 1
        items = tuple(self._shown[name] for name in names[start : start + limit])
        return Page(items, items[-1].id if start + limit < len(names) else None)

    async def delete(self, id_or_key: str) -> Deleted:
        view = self.get(id_or_key)
        del self._shown[view.id]
        receipt = Receipt(
            id=f"r{len(self._written)}",
            worker="w1",
            kind=WorkerKind.LOBBY,
            pid=4242,
            lobby=view.id,
            cause="deleted",
            started=view.created,
            ended=time.time(),
            exit_code=0,
            signal=None,
            rungs=(Rung("exit", time.time(), 0.01),),
            checks=(Check("processes", ()),),
            clean=True,
        )
        self._written.append(receipt)
        self.events.publish("lobby", "lobby.DESTROYED", lobby=view.id)
        return Deleted(view.id, LobbyState.DESTROYED, (receipt,))

    async def whep_offer(
        self, id_or_key: str, sdp: str, *, remote: str | None = None, rendition: str | None = None
    ) -> WhepSession:
        view = self.get(id_or_key)
        self._refuse(sdp, rendition)
        self.waiting.set()
        await self.hold.wait()
        self._count += 1
        name = f"v{self._count:07d}"
        viewer = ViewerView(
            name, view.id, rendition or "main", Protocol.WHEP, ViewerState.CONNECTING, remote, "udp", time.time()
        )
        self._watching[name] = viewer
        return WhepSession(name, "v=0\r\n", ETAG)

    def _refuse(self, sdp: str, rendition: str | None) -> None:
        if self.offers_left <= 0:
            error = RefusedError("limit.offers", "Too many offers.", retry_after=0.2)
            error.status = 429
            raise error
        self.offers_left -= 1
        if self.denial is not None:
            raise self.denial
        if rendition == "nope":
            raise NotFoundError("rendition.unknown", "No such rendition.")
        if "m=" not in sdp:
            raise CallerError("sdp.no_media", "The offer has no media.")
        if "VP8-only" in sdp:
            raise CallerError("codec.none", "None of the offered codecs.", why="Possible: H264, opus.", status=406)
        if "crash" in sdp:
            raise ZeroDivisionError("a secret that no answer may hold")
        if "camera" in sdp:
            raise SourceError("source.refused", "401 from the camera.")

    async def whep_patch(self, viewer: str, fragment: str, etag: str | None) -> WhepPatched:
        self.get_viewer(viewer)
        if etag is None:
            raise CallerError("viewer.etag", "If-Match is missing.", status=428)
        if etag == "*":
            return WhepPatched("a=ice-ufrag:new\r\n", "session-2")
        if etag != ETAG:
            raise CallerError("viewer.etag", "That is an older session.", status=412)
        return WhepPatched(None, ETAG)

    async def end_viewer(self, viewer: str, reason: str) -> None:
        self.get_viewer(viewer)
        del self._watching[viewer]
        self.ended.append((viewer, reason))

    def get_viewer(self, viewer: str) -> ViewerView:
        if viewer not in self._watching:
            raise NotFoundError("viewer.unknown", "No such viewer.")
        return self._watching[viewer]

    def list_viewers(
        self, lobby: str | None = None, after: str | None = None, limit: int = 50, protocol: Protocol | None = None
    ) -> Page[ViewerView]:
        wanted = self.get(lobby).id if lobby is not None else None
        items = [v for v in self._watching.values() if wanted in (None, v.lobby) and protocol in (None, v.protocol)]
        return Page(tuple(items[:limit]), None)

    async def receipts(
        self, after: str | None = None, limit: int = 50, wanted: ReceiptFilter | None = None
    ) -> Page[Receipt]:
        items = [receipt for receipt in reversed(self._written) if fits(receipt, wanted)]
        return Page(tuple(items[:limit]), None)

    async def receipt(self, id: str) -> Receipt:
        for receipt in self._written:
            if receipt.id == id:
                return receipt
        raise NotFoundError("receipt.unknown", "There is no such receipt.")

    def statistics(self) -> LobbiesStatistics:
        worker = WorkerView("w0", WorkerKind.EGRESS, 1, None, time.time(), {"viewers": len(self._watching)})
        states: dict[str, int] = {}
        for view in self._shown.values():
            states[view.state] = states.get(view.state, 0) + 1
        return LobbiesStatistics(
            lobbies=states,
            viewers={"whep": len(self._watching), "rtsp": 0},
            renditions_running=0,
            workers=tuple(dataclasses.replace(worker, id=f"w{i}") for i in range(self.egress_workers)),
            restarts_total=0,
            recycles_total={},
            viewers_total=len(self._watching),
            refused_total={"limit.offers": 0},
            receipts_total={"clean": len(self._written), "unclean": 0},
            events_total=self.events.total,
            event_subscribers=self.events.listeners,
            event_subscribers_dropped_total=self.events.dropped_total,
            egress=EgressCounts(running=self.egress_workers),
        )


def a_lobby(**more: Any) -> dict[str, Any]:
    """A request for a lobby that works."""
    return {"name": "Test", "source": {"kind": "test"}, **more}
