"""Acts on what egress workers say: RTSP clients come and go, viewers end, keyframes and buses are wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from steadycast.errors import NotFoundError
from steadycast.lifecycle import ViewerState
from steadycast.lobbies.adopting import KeptHold
from steadycast.lobbies.egresses import Egress
from steadycast.lobbies.holds import Hold
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.viewer import Viewer
from steadycast.lobbies.viewers import Viewers
from steadycast.model import Protocol
from steadycast.workers.codec import to_plain
from steadycast.workers.messages import RtspDescribe, ViewerConnected, ViewerGone, ViewerJoined

DESCRIBED_AT_ONCE = 8  # lobbies that one RTSP connection may hold


class Reception:
    """Hears all egress workers (`EgressListener`).

    `find` gives a lobby by id or key or raises NotFoundError; `every` gives all of them.
    """

    def __init__(self, viewers: Viewers, find: Callable[[str], Lobby], every: Callable[[], Iterable[Lobby]]) -> None:
        self._viewers = viewers
        self._find = find
        self._every = every
        self._connections: dict[str, list[Hold]] = {}

    async def describe(self, egress: Egress, message: RtspDescribe) -> dict[str, Any]:
        """An RTSP client wants `lobby` or `lobby/rendition`."""
        self._viewers.take_offer()
        name, _, rendition = message.path.strip("/").partition("/")
        lobby = self._find(name)
        connection = f"{egress.id}/{message.hold}"
        held = self._connections.setdefault(connection, [])
        try:
            hold = self._hold(held, f"{connection}/{lobby.id}", lobby, egress)
            opened = False
            try:
                tracks = await self._viewers.open(hold, Protocol.RTSP, None, rendition or None)
                opened = self._connections.get(connection) is held  # else it left meanwhile
            finally:
                if not opened:
                    self._viewers.places.give_back(hold)
                    held[:] = [one for one in held if one is not hold]
        finally:
            if not held:
                self._connections.pop(connection, None)
        described = [{"track": track, "info": to_plain(info)} for track, info in tracks]
        return {"lobby": lobby.id, "tracks": described, "name": lobby.request.name}

    def adopt(self, kept: KeptHold, lobby: Lobby, egress: Egress) -> None:
        """Go on with somebody who watches, or described a path, since before this host."""
        if kept.connection is None:
            name = kept.viewers[0].viewer
            hold = self._viewers.places.bear(name, lobby, egress, kept.choice)
        else:
            connection = f"{egress.id}/{kept.connection}"
            hold = self._viewers.places.bear(f"{connection}/{lobby.id}", lobby, egress, kept.choice)
            self._connections.setdefault(connection, []).append(hold)
        for one in kept.viewers:
            state = ViewerState.WATCHING if one.connected else ViewerState.CONNECTING
            viewer = Viewer(one.viewer, hold, one.protocol, one.since, state)
            viewer.remote, viewer.transport, viewer.etag = one.remote, one.transport, one.etag
            self._viewers.keep(viewer)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """As `Viewers.spawn`."""
        self._viewers.spawn(work)

    def _hold(self, held: list[Hold], name: str, lobby: Lobby, egress: Egress) -> Hold:
        """What a connection holds of a lobby, made where there is none; the oldest goes where there are too many."""
        for hold in held:
            if hold.lobby is lobby:
                return hold
        if len(held) >= DESCRIBED_AT_ONCE:
            self._viewers.places.give_back(held.pop(0))
        held.append(hold := self._viewers.places.take(name, lobby, egress))
        return hold

    def hold_gone(self, egress: Egress, hold: str) -> None:
        """An RTSP connection is gone, and with it whoever played over it."""
        holds = self._connections.pop(f"{egress.id}/{hold}", [])
        for viewer in self._viewers.of():
            if viewer.hold in holds:
                self._viewers.forget(viewer.id, "its connection ended")
        for one in holds:
            self._viewers.places.give_back(one)

    def joined(self, egress: Egress, message: ViewerJoined) -> None:
        """An RTSP client plays."""
        holds = self._connections.get(f"{egress.id}/{message.hold}", [])
        hold = next((hold for hold in holds if hold.lobby.id == message.lobby), None)
        if hold is None or hold.lobby.leaving:
            self._viewers.spawn(egress.kick(message.viewer, "the lobby is gone"))
            return
        viewer = Viewer(message.viewer, hold, message.protocol, time.time(), ViewerState.WATCHING)
        viewer.remote, viewer.transport = message.remote, message.transport
        self._viewers.joined(viewer)

    def connected(self, message: ViewerConnected) -> None:
        """A WHEP viewer finished its handshake."""
        viewer = self._viewers.find(message.viewer)
        if viewer is not None:
            viewer.remote, viewer.transport = message.remote, "udp"
            viewer.move(ViewerState.WATCHING)

    def viewer_gone(self, message: ViewerGone) -> None:
        """A viewer ended."""
        self._viewers.forget(message.viewer, message.reason)

    def keyframe_wanted(self, track: str) -> None:
        """A viewer needs a keyframe."""
        lobby, name = self._lobby_of(track)
        if lobby is not None:
            lobby.feeds.keyframe_wanted(name)

    def bus_taken(self, track: str, bus: str) -> None:
        """A track goes on with this bus."""
        lobby, name = self._lobby_of(track)
        if lobby is not None:
            lobby.feeds.bus_taken(name, bus)

    def bus_lost(self, egress: Egress, track: str) -> None:
        """A bus ended."""
        lobby, name = self._lobby_of(track)
        if lobby is not None:
            lobby.feeds.bus_lost(name, egress)

    async def end_viewers(self, egress: Egress, reason: str) -> None:
        """A worker is about to end: its viewers are told, and may choose again."""
        await self._viewers.end_those(tuple(v for v in self._viewers.of() if v.hold.egress is egress), reason)

    def egress_gone(self, egress: Egress, why: str) -> None:
        """All its viewers and connections are gone."""
        for viewer in self._viewers.of():
            if viewer.hold.egress is egress:
                self._viewers.forget(viewer.id, why)
        for hold in self._viewers.places.all():
            if hold.egress is egress:
                self._viewers.places.give_back(hold)
        for lobby in self._every():  # those too that have a bus there and no viewer
            lobby.feeds.egress_gone(egress)
        for connection in [name for name in self._connections if name.startswith(f"{egress.id}/")]:
            del self._connections[connection]

    def _lobby_of(self, track: str) -> tuple[Lobby | None, str]:
        lobby, _, name = track.partition("/")
        try:
            return self._find(lobby), name
        except NotFoundError:
            return None, name
