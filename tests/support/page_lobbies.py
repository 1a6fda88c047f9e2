"""Lobbies that exist in memory only, behind the real API: tests of the page move them as they need."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, replace
from typing import Any, TypeVar

from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

from steadycast.config.settings import LobbySettings
from steadycast.errors import CallerError, NotFoundError, RefusedError
from steadycast.lifecycle import ViewerState
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.store import ReceiptFilter
from steadycast.lobbies.survival_views import AdoptionView
from steadycast.lobbies.views import (
    Deleted,
    LobbiesStatistics,
    LobbyView,
    Page,
    RenditionView,
    ViewerView,
    WhepPatched,
    WhepSession,
)
from steadycast.model import (
    Check,
    Codec,
    LobbyState,
    Protocol,
    Receipt,
    Rendition,
    Rung,
    TrackInfo,
    TrackKind,
    WorkerKind,
)
from tests.support.memory_devices import MemoryDevices
from tests.support.memory_lobbies import fits

T = TypeVar("T")
PICTURE = TrackInfo("main", TrackKind.VIDEO, Codec.H264, 90_000, width=1280, height=720, fps=30.0, encoder="x264enc")


def receipt(number: int, lobby: str, *, clean: bool = True) -> Receipt:
    """What a lobby worker of `lobby` left."""
    now = time.time()
    left = () if clean else ("/run/steadycast/lobby-4211.sock",)
    rungs = (Rung("detach viewers", now - 0.3, 0.012), Rung("NULL", now - 0.28, 0.041), Rung("exit", now - 0.2, 0.063))
    checks = (Check("processes", ()), Check("descriptors", ()), Check("files", left))
    return Receipt(
        f"r{number}", f"w{number}", WorkerKind.LOBBY, 4000 + number, lobby, "asked to end", now - 900, now, 0, None,
        rungs, checks, clean,
    )  # fmt: skip


def rendition(declared: Rendition | None, viewers: int = 0) -> RenditionView:
    """A rendition that runs while it has viewers."""
    name = declared.name if declared else "main"
    track = replace(PICTURE, name=name, encoder=None if name == "copy" else "x264enc") if viewers else None
    return RenditionView(name, declared, viewers > 0, viewers, track, None)


class PageLobbies(MemoryDevices):
    """Answers like `steadycast.lobbies.lobbies.Lobbies`. All calls come from the server's event loop."""

    def __init__(self) -> None:
        super().__init__()
        self.events = EventLog()
        self.adoption: AdoptionView | None = None
        self.views: dict[str, LobbyView] = {}
        self.viewers: dict[str, ViewerView] = {}
        self.peers: dict[str, RTCPeerConnection] = {}
        self.kept: list[Receipt] = []
        self.unclean: set[str] = set()  # lobbies that leave something behind
        self.offers = 0
        self.refusing: str | None = None  # why no viewer and no lobby is taken now
        self._may_delete = asyncio.Event()
        self._may_delete.set()
        self.denial: RefusedError | None = None  # what every offer is refused with
        self._may_answer = asyncio.Event()
        self._may_answer.set()
        self._number = 0

    def number(self) -> int:
        """The next number for ids."""
        self._number += 1
        return self._number

    def add(self, request: LobbySettings, state: LobbyState = LobbyState.STREAMING, **changes: Any) -> LobbyView:
        """A lobby, as it is after a while."""
        id_ = f"L{self.number():04d}"
        now = time.time()
        renditions = tuple(rendition(one) for one in request.renditions) or (rendition(None),)
        view = LobbyView(
            id_, request.key, request.name, state, now, now, None, None, None, None, asdict(request.source), renditions,
            request.source.kind != "desktop", 0, (4000 + self._number,), 0, f"/whep/{id_}", f"/{id_}",
        )  # fmt: skip
        self.views[id_] = replace(view, **changes)
        return self.views[id_]

    def move(self, id_: str, state: LobbyState, why: str | None = None, **changes: Any) -> None:
        """A lobby enters a state."""
        self.views[id_] = replace(self.views[id_], state=state, since=time.time(), why=why, **changes)
        self.events.publish("lobby", f"lobby.{state}", lobby=id_, why=why)

    def join(
        self, lobby: str, protocol: Protocol, remote: str, state: ViewerState = ViewerState.WATCHING
    ) -> ViewerView:
        """A viewer comes."""
        view = self.views[lobby]
        name = view.renditions[0].name
        transport = "udp" if protocol == Protocol.WHEP else "tcp"
        viewer = ViewerView(f"v{self.number()}", lobby, name, protocol, state, remote, transport, time.time(), {})
        self.viewers[viewer.id] = viewer
        self._count(lobby)
        self.events.publish("viewer", "viewer.joined", lobby=lobby, viewer=viewer.id)
        return viewer

    def _count(self, lobby: str) -> None:
        if view := self.views.get(lobby):
            count = sum(viewer.lobby == lobby for viewer in self.viewers.values())
            first = rendition(view.renditions[0].declared, count)
            self.views[lobby] = replace(view, viewers=count, renditions=(first, *view.renditions[1:]))

    def hold_delete(self) -> None:
        """A delete stays in ENDING until `release_delete`."""
        self._may_delete.clear()

    def release_delete(self) -> None:
        """The deletes that are held may go on."""
        self._may_delete.set()

    def hold_offers(self) -> None:
        """Offers are not answered until `release_offers`, as if they stood in a line."""
        self._may_answer.clear()

    def release_offers(self) -> None:
        """The offers that are held are answered."""
        self._may_answer.set()

    def pause(self, paused: bool) -> None:
        """Pictures stop, sessions stay; or they go on."""
        for peer in self.peers.values():
            for sender in peer.getSenders():
                sender.replaceTrack(None if paused else VideoStreamTrack())

    def _check_refusing(self) -> None:
        if self.refusing:
            raise RefusedError("limit.test", self.refusing, why=self.refusing, retry_after=20)

    async def create(self, request: LobbySettings) -> tuple[LobbyView, bool]:
        self._check_refusing()
        if request.source.kind == "desktop" and request.source.application not in ("clock", "editor"):
            raise CallerError("source.application", "source.application: is none of the applications of this host.",
                              hint="Allowed: clock, editor.")  # fmt: skip
        view = self.add(request, LobbyState.STARTING)
        self.move(view.id, LobbyState.STARTING)
        return self.views[view.id], True

    def get(self, id_or_key: str) -> LobbyView:
        for view in self.views.values():
            if id_or_key in (view.id, view.key):
                return view
        raise NotFoundError("lobby.unknown", "No such lobby.")

    def list(self, after: str | None = None, limit: int = 50) -> Page[LobbyView]:
        return _page(list(self.views.values()), after, limit)

    async def delete(self, id_or_key: str) -> Deleted:
        view = self.get(id_or_key)
        for state in (LobbyState.DRAINING, LobbyState.ENDING):
            self.move(view.id, state)
        await self._may_delete.wait()
        for viewer in [viewer for viewer in self.viewers.values() if viewer.lobby == view.id]:
            await self.end_viewer(viewer.id, "the lobby ended")
        clean = view.id not in self.unclean
        end = receipt(self.number(), view.id, clean=clean)
        self.kept.insert(0, end)
        self.events.publish("receipt", "receipt", lobby=view.id, data={"id": end.id, "clean": clean})
        state = LobbyState.DESTROYED if clean else LobbyState.CLEANUP_INCOMPLETE
        self.move(view.id, state)
        del self.views[view.id]
        return Deleted(view.id, state, (end,))

    async def whep_offer(
        self, id_or_key: str, sdp: str, *, remote: str | None = None, rendition: str | None = None
    ) -> WhepSession:
        self.offers += 1
        self._check_refusing()
        view = self.get(id_or_key)
        await self._may_answer.wait()
        if self.denial is not None:
            raise self.denial
        peer = RTCPeerConnection()
        peer.addTrack(VideoStreamTrack())
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        viewer = self.join(view.id, Protocol.WHEP, f"{remote}:50123")
        self.peers[viewer.id] = peer
        return WhepSession(viewer.id, peer.localDescription.sdp, "1")

    async def whep_patch(self, viewer: str, fragment: str, etag: str | None) -> WhepPatched:
        self.get_viewer(viewer)
        return WhepPatched(None, "1")

    async def end_viewer(self, viewer: str, reason: str) -> None:
        gone = self.get_viewer(viewer)
        del self.viewers[viewer]
        self._count(gone.lobby)
        self.events.publish("viewer", "viewer.gone", lobby=gone.lobby, viewer=viewer, why=reason)
        if peer := self.peers.pop(viewer, None):
            await peer.close()

    async def lose_egress(self) -> None:
        """The egress worker dies: no packet more, and nobody says goodbye."""
        for viewer, peer in list(self.peers.items()):
            for transport in {sender.transport for sender in peer.getSenders()}:
                await transport.transport._connection.close()
            self.peers.pop(viewer)
            self._count(self.viewers.pop(viewer).lobby)

    def get_viewer(self, viewer: str) -> ViewerView:
        if viewer not in self.viewers:
            raise NotFoundError("viewer.unknown", "No such viewer.")
        return self.viewers[viewer]

    def list_viewers(
        self, lobby: str | None = None, after: str | None = None, limit: int = 50, protocol: Protocol | None = None
    ) -> Page[ViewerView]:
        found = [
            one for one in self.viewers.values() if lobby in (None, one.lobby) and protocol in (None, one.protocol)
        ]
        return _page(found, after, limit)

    async def receipts(
        self, after: str | None = None, limit: int = 50, wanted: ReceiptFilter | None = None
    ) -> Page[Receipt]:
        return _page([one for one in self.kept if fits(one, wanted)], after, limit)

    def statistics(self) -> LobbiesStatistics:
        states = [view.state.value for view in self.views.values()]
        by_state = {state: states.count(state) for state in states}
        return LobbiesStatistics(by_state, {}, 0, (), 0, {}, 0, {}, {}, self.events.total, self.events.listeners, 0)


def _page(items: list[T], after: str | None, limit: int) -> Page[T]:
    start = int(after) if after else 0
    end = start + limit
    return Page(tuple(items[start:end]), str(end) if end < len(items) else None)
