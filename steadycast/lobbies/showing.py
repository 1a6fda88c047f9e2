"""Lobbies, viewers and workers as they are shown. Reads, changes nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from steadycast.errors import CallerError
from steadycast.lobbies import choose
from steadycast.lobbies.device_views import PlaceView, SeatView
from steadycast.lobbies.feed import Feed
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.mask import masked_source
from steadycast.lobbies.push_view import push_view
from steadycast.lobbies.seats import Place, Seat
from steadycast.lobbies.viewer import Viewer
from steadycast.lobbies.views import BitrateView, LobbyView, RawFramesView, RenditionView, ViewerView, WorkerView
from steadycast.model import Rendition
from steadycast.pipelines.in_force import StreamParameters, exceeds, in_force
from steadycast.workers.codec import CodecError, from_plain
from steadycast.workers.worker import Worker

T = TypeVar("T")


def part(items: Sequence[T], name: Callable[[T], str], after: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """The items after the one named, and the name to go on from. Raises CallerError `page.unknown`."""
    start = 0
    if after is not None:
        names = [name(item) for item in items]
        if after not in names:
            hint = "Begin again without `after`: what it named is gone."
            raise CallerError("page.unknown", "There is no such page.", hint=hint)
        start = names.index(after) + 1
    shown = items[start : start + limit]
    return shown, name(shown[-1]) if shown and start + limit < len(items) else None


def lobby(one: Lobby, viewers: Sequence[Viewer]) -> LobbyView:
    """A lobby with its renditions. Those the host makes are shown too."""
    tracks = one.stage.tracks if one.stage is not None else {}
    failure = one.failure
    counts = Counter(viewer.hold.choice.rendition for viewer in viewers if viewer.hold.choice is not None)
    declared = one.request.renditions
    return LobbyView(
        id=one.id,
        key=one.request.key,
        name=one.request.name,
        state=one.state,
        since=one.since,
        created=one.created,
        why=failure.why() if failure else None,
        hint=failure.hint() if failure else None,
        code=failure.loss.code if failure else None,
        retry_at=failure.retry_at if failure else None,
        source=masked_source(one.request.source),
        renditions=tuple(
            _rendition(one, rendition, bool(declared), counts[rendition.name])
            for rendition in choose.shown(declared, tracks, lambda name: one.feeds.get(name) is not None)
        ),
        audio=choose.AUDIO in tracks,
        viewers=len(viewers),
        workers=one.pids,
        restarts=one.restarts,
        whep=f"/whep/{one.request.key or one.id}",
        rtsp=f"/{one.request.key or one.id}",
        policy=one.feeds.policy,
        recycles=one.replacing.succeeded,
        crashes=one.crashes,
        generation=one.generation,
        worker_since=one.stage.worker.started if one.stage is not None and one.stage.works else None,
        push=push_view(one.request.source, one.stage.pushed if one.stage is not None else None),
    )


def _rendition(one: Lobby, rendition: Rendition, is_declared: bool, viewers: int) -> RenditionView:
    feed = one.feeds.get(choose.COPY if rendition.codec == "copy" else rendition.name)
    running = feed is not None and feed.info is not None
    track = feed.info if feed is not None else None
    if track is None and rendition.codec == "copy" and one.stage is not None:
        track = one.stage.tracks.get(choose.COPY)
    parameters = None if track is None else in_force(track.codec, track.fmtp)
    return RenditionView(
        name=rendition.name,
        declared=rendition if is_declared else None,
        running=running,
        viewers=viewers,
        track=track,
        closes_at=feed.closes_at if feed is not None else None,
        seat=_seat(feed.seat) if feed is not None else None,
        place=_place(one, one.feeds.place(rendition.name)),
        state=feed.life.state if feed is not None else None,
        bitrate=_bitrate(feed) if feed is not None else None,
        in_force=parameters,
        raw=_raw(feed) if feed is not None else None,
        over_budget=_over_budget(one, parameters) if feed is not None and feed.encode is not None else False,
    )


def _raw(feed: Feed) -> RawFramesView | None:
    """As its worker told in its last heartbeat."""
    instance = feed.instance
    tracks = None if instance is None else instance.stage.worker.statistics.get("tracks")
    told = tracks.get(instance.name) if instance is not None and isinstance(tracks, dict) else None
    raw = told.get("raw") if isinstance(told, dict) else None
    try:
        return from_plain(RawFramesView, raw) if raw is not None else None
    except CodecError:
        return None


def _over_budget(one: Lobby, parameters: StreamParameters | None) -> bool:
    return one.stage is not None and exceeds(parameters, one.stage.settings.encoders.reference_budget_mb)


def over_budget(one: Lobby) -> int:
    """How many of its encodings keep more reference frames than they may."""
    made = (feed.info for feed in one.feeds.all() if feed.encode is not None)
    return sum(_over_budget(one, in_force(info.codec, info.fmtp)) for info in made if info is not None)


def _bitrate(feed: Feed) -> BitrateView | None:
    tuned = None if feed.instance is None else feed.instance.tuned
    if tuned is None:
        return None
    why = feed.tuning.why if feed.tuning is not None and tuned.asked is not None else None
    return BitrateView(tuned.asked or None, tuned.in_force, why, tuned.fixed)


def _seat(seat: Seat | None) -> SeatView | None:
    if seat is None or seat.opened is None:
        return None
    report = seat.report
    return SeatView(
        device=seat.device,
        device_name=seat.device_name,
        hardware=seat.hardware,
        element=report.element if report else None,
        memory_planned=report.planned if report else None,
        memory=report.memory if report else None,
        since=_unix(seat.opened),
        software_code=None if seat.no_hardware else seat.code,
        software_why=None if seat.no_hardware else seat.why,
    )


def _place(one: Lobby, place: Place | None) -> PlaceView | None:
    if place is None:
        return None
    return PlaceView(place.holder, one.id, place.position, _unix(place.since), place.code, place.why, place.promotion)


def _unix(seconds: float) -> float:
    """Unix time of a moment of the clock that does not go back."""
    return time.time() - (time.monotonic() - seconds)


def viewer(one: Viewer) -> ViewerView:
    """A viewer with the counters of its egress worker's last sign of life."""
    choice = one.hold.choice
    return ViewerView(
        id=one.id,
        lobby=one.hold.lobby.id,
        rendition=choice.rendition if choice is not None else choose.AUDIO,
        protocol=one.protocol,
        state=one.state,
        remote=one.remote,
        transport=one.transport,
        since=one.since,
        statistics=one.hold.egress.viewer_statistics(one.id),
    )


def worker(one: Worker) -> WorkerView:
    """A worker with what its last heartbeat said."""
    statistics = {name: value for name, value in one.statistics.items() if name != "viewers"}
    return WorkerView(one.id, one.kind.value, one.pid, one.lobby, one.started, statistics)
