"""The viewers of the host: WHEP and RTSP, from asking to gone. Hears what the egress workers say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable

import structlog

from steadycast.config.current import HostSettings
from steadycast.egress.webrtc.sdp import offered_codecs
from steadycast.errors import (
    CallerError,
    NotFoundError,
    RefusedError,
    SteadycastError,
    TooManyError,
    WorkerError,
)
from steadycast.leases.budget import Budget
from steadycast.leases.decisions import Denial
from steadycast.lifecycle import Move, ViewerState
from steadycast.lobbies.egresses import Egresses
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.feed import Failed
from steadycast.lobbies.holds import Hold, open_tracks
from steadycast.lobbies.ids import tag, viewer_id
from steadycast.lobbies.living import Living
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.places import Places
from steadycast.lobbies.viewer import EVENTS, Viewer
from steadycast.lobbies.views import WhepPatched, WhepSession
from steadycast.model import Codec, Protocol, TrackInfo
from steadycast.patience import wait_patiently

log = structlog.get_logger("viewers")

KICKS_AT_ONCE = 64
TOLD_S = 5.0  # for the viewers of a lobby that ends to be told; a worker that hangs tells nobody
# Tracks are open this long before whoever asks a worker for them gives up, so that the answer says why.
ANSWER_S = 1.0


class Viewers:
    """All viewers, what they hold, and how many there may be."""

    def __init__(self, settings: HostSettings, egresses: Egresses, events: EventLog) -> None:
        self.total = 0
        self.closing = False  # nobody is taken any more
        self.living: Living | None = None  # hears of viewers that come and go
        self._settings = settings
        self._egresses = egresses
        self._events = events
        self.places = Places(lambda: settings.limits.viewers)
        self._offers = self._budget()
        self._viewers: dict[str, Viewer] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, viewer: str) -> Viewer:
        """A viewer; raises NotFoundError."""
        found = self._viewers.get(viewer)
        if found is None:
            raise NotFoundError("viewer.unknown", "There is no such viewer.", hint="It may have ended.")
        return found

    def find(self, viewer: str) -> Viewer | None:
        """A viewer, None where it is gone."""
        return self._viewers.get(viewer)

    def of(self, lobby: Lobby | None = None) -> tuple[Viewer, ...]:
        """Viewers in the order they came (of one lobby)."""
        return tuple(v for v in self._viewers.values() if lobby is None or v.hold.lobby is lobby)

    # --- WHEP

    async def offer(self, lobby: Lobby, sdp: str, remote: str | None, rendition: str | None) -> WhepSession:
        """Answer a browser's offer; see `Lobbies.whep_offer`. Cancelled at any moment it leaves nothing."""
        codecs = offered_codecs(sdp).codecs
        egress = await self._egresses.pick(self._settings.workers.request_s)
        viewer_name = viewer_id()
        hold = self.places.take(viewer_name, lobby, egress)
        try:
            tracks = await self.open(hold, Protocol.WHEP, codecs, rendition)
            viewer = Viewer(viewer_name, hold, Protocol.WHEP, time.time(), remote=remote, etag=tag())
        except BaseException:
            self.places.give_back(hold)
            raise
        # Cut off here its worker would have a viewer that nobody knows.
        answering = asyncio.get_running_loop().create_task(self._answer(viewer, tuple(key for key, _ in tracks), sdp))
        try:
            return await asyncio.shield(answering)
        except asyncio.CancelledError:
            self.spawn(self._end_unwanted(viewer, answering))
            raise

    async def _answer(self, viewer: Viewer, tracks: tuple[str, ...], sdp: str) -> WhepSession:
        hold = viewer.hold
        self._viewers[viewer.id] = viewer
        try:
            answer = await hold.egress.offer(viewer.id, tracks, sdp, viewer.etag, viewer.remote)
            hold.lobby.refuse_if_leaving()
        except BaseException:
            if self._viewers.pop(viewer.id, None) is not None:
                self.spawn(hold.egress.kick(viewer.id, "its offer failed"))
            self.places.give_back(hold)
            raise
        if viewer.id not in self._viewers:
            raise WorkerError("viewer.gone", "The viewer ended before it was answered.", retry_after=1)
        self.joined(viewer)
        assert viewer.etag is not None
        return WhepSession(viewer.id, answer, viewer.etag)

    async def _end_unwanted(self, viewer: Viewer, answering: asyncio.Task[WhepSession]) -> None:
        """The client is gone that an answer is made for."""
        await asyncio.wait({answering})
        if answering.exception() is None and viewer.id in self._viewers:
            await self.end(viewer, "client gone")

    async def patch(self, viewer: Viewer, fragment: str, etag: str | None) -> WhepPatched:
        """Candidates or an ICE restart; see `Lobbies.whep_patch`."""
        if etag is None:
            raise CallerError("viewer.etag", "If-Match is needed.", hint="Send the ETag of the answer.", status=428)
        if etag not in ("*", viewer.etag):
            hint = "Send the ETag of the latest answer."
            raise CallerError("viewer.etag", "The entity tag is of an older ICE session.", hint=hint, status=412)
        fresh = tag()
        answer = await viewer.hold.egress.patch(viewer.id, fragment, fresh)
        if answer is not None:
            viewer.etag = fresh
        assert viewer.etag is not None
        return WhepPatched(answer, viewer.etag)

    # --- the end of viewers

    async def end(self, viewer: Viewer, reason: str) -> None:
        """End a viewer; answers when it is gone. A worker that does not answer is replaced, and the viewer with it."""
        viewer.move(ViewerState.LEAVING, reason)
        await viewer.hold.egress.kick(viewer.id, reason)
        self.forget(viewer.id, reason)

    async def end_all(self, lobby: Lobby, reason: str) -> None:
        """End all viewers of a lobby, and forget what described it but does not play."""
        await self.end_those(self.of(lobby), reason)
        for hold in self.places.all():
            if hold.lobby is lobby:
                self.places.give_back(hold)

    async def end_those(self, viewers: Iterable[Viewer], reason: str) -> None:
        """End these viewers: each is told by its worker; after `TOLD_S` they are forgotten all the same."""
        limit = asyncio.Semaphore(KICKS_AT_ONCE)

        async def kick(viewer: Viewer) -> None:
            async with limit:
                try:
                    await self.end(viewer, reason)
                except SteadycastError as error:
                    log.warning("viewer not ended by its worker", viewer=viewer.id, code=error.code, what=error.what)
                    self.forget(viewer.id, reason)

        kicks = {asyncio.create_task(kick(viewer)): viewer for viewer in viewers}
        if not kicks:
            return
        _, late = await asyncio.wait(kicks, timeout=TOLD_S)
        for task in late:
            task.cancel()
            self.forget(kicks[task].id, reason)

    def tracks_failed(self, lobby: Lobby, failed: tuple[Failed, ...]) -> None:
        """These tracks cannot be had on the lobby's new stage: whoever watches them must choose again. A picture goes
        on without its sound."""
        for one in failed:
            names = set(lobby.feeds.holders(one.track, one.egress))
            reason = f"{one.track} cannot be shown any more: {one.error.what}"
            for viewer in self.of(lobby):
                choice = viewer.hold.choice
                has_picture = one.is_silence and choice is not None and choice.track is not None
                if viewer.hold.name in names and not has_picture:
                    self.spawn(self.end(viewer, reason))

    def forget(self, viewer_name: str, reason: str) -> None:
        """A viewer is gone; harmless where it is forgotten already."""
        viewer = self._viewers.pop(viewer_name, None)
        if viewer is None:
            return
        if self.living is not None:
            self.living.closed(viewer.hold.egress.worker, viewer.lent, reason)
        if viewer.protocol is Protocol.WHEP:  # an RTSP connection keeps what it described until it is gone itself
            self.places.give_back(viewer.hold)
        viewer.move(ViewerState.GONE, reason)

    # --- admission

    def limits_changed(self) -> None:
        """Count with the limits of now."""
        self.places.limit_changed()
        self._offers = self._budget()

    def _budget(self) -> Budget:
        rate = self._settings.limits.offers_per_s
        return Budget(rate, max(1.0, rate), time.monotonic())

    def take_offer(self) -> None:
        """Use the budget of offers; raises TooManyError, and RefusedError where the host ends."""
        if self.closing:
            raise closing()
        wait = self._offers.take(time.monotonic())
        if wait > 0:
            rate = self._settings.limits.offers_per_s
            why = f"This host answers {rate:g} offers a second (`limits.offers_per_s`)."
            raise TooManyError("limit.offers", "Too many offers.", why=why, retry_after=max(1.0, wait))

    def keep(self, viewer: Viewer) -> None:
        """A viewer that was there before this host: nobody is told that it joined."""
        self._viewers[viewer.id], viewer.told = viewer, self._moved

    async def open(
        self, hold: Hold, protocol: Protocol, codecs: frozenset[Codec] | None, rendition: str | None
    ) -> tuple[tuple[str, TrackInfo], ...]:
        """Choose and open tracks for a hold; answers with key and info of each. Raises SteadycastError."""
        request_s = self._settings.workers.request_s
        seconds = max(request_s - ANSWER_S, request_s / 2)
        opening = asyncio.get_running_loop().create_task(open_tracks(hold, protocol, codecs, rendition))
        try:
            await wait_patiently({opening}, seconds)
            if opening.done():
                return opening.result()
            raise _too_slow(hold, seconds)
        finally:
            opening.cancel()

    def joined(self, viewer: Viewer) -> None:
        """Count a viewer and say that it is there."""
        self._viewers[viewer.id], viewer.told = viewer, self._moved
        self.total += 1
        if self.living is not None:
            self.living.opened(viewer.hold.egress.worker, viewer.lent)
        self._moved(viewer, Move(viewer.state, viewer.state, None, 0.0))

    def _moved(self, viewer: Viewer, move: Move[ViewerState]) -> None:
        """Log and publish a move of a viewer."""
        lobby, protocol, choice, name = (
            viewer.hold.lobby.id,
            viewer.protocol.value,
            viewer.hold.choice,
            EVENTS[move.new],
        )
        log.info(name, viewer=viewer.id, lobby=lobby, protocol=protocol, why=move.cause)
        data = {"protocol": protocol, "rendition": choice and choice.rendition}
        told = {"state": move.new.value, "took_s": move.took_s}
        self._events.publish("viewer", name, lobby=lobby, viewer=viewer.id, why=move.cause, data=data | told)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Do this beside; an error is logged."""

        async def quietly() -> None:
            try:
                await work
            except SteadycastError as error:
                log.warning("viewer not ended by its worker", code=error.code, what=error.what)

        task = asyncio.get_running_loop().create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def closing() -> RefusedError:
    """Nothing new is begun."""
    hint = "Ask again when it is started again."
    return RefusedError("host.closing", "The host ends.", hint=hint, retry_after=10)


def _too_slow(hold: Hold, seconds: float) -> RefusedError:
    track = hold.choice.track if hold.choice is not None else None
    place = None if track is None else hold.lobby.feeds.place(track)
    if place is not None and not place.promotion:
        why = f"{place.why} It is number {place.position} in the line."
        return RefusedError(Denial.QUEUE_TIMEOUT, "No encoder became free in time.", why=why, retry_after=5)
    what = f"The lobby's tracks are not open after {seconds:g} s."
    return RefusedError("lobby.not_streaming", what, hint="Look at its state.", retry_after=2)
