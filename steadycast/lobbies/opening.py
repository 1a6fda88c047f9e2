"""Brings a track onto a stage: a seat for what is encoded, other devices where one refuses."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import structlog

from steadycast.config.current import HostSettings
from steadycast.errors import ConflictError, EncoderError, RefusedError, WorkerError
from steadycast.leases.decisions import Denial, EncodeRequest
from steadycast.lobbies.asked import Asked
from steadycast.lobbies.asking import check_references, descriptors_free, policy_of, request_of
from steadycast.lobbies.feed import NO_TRACK, Feed
from steadycast.lobbies.instances import Instance, Instances
from steadycast.lobbies.retry import Loss, LossKind
from steadycast.lobbies.seats import Encoding, Seat
from steadycast.lobbies.stage import Stage
from steadycast.model import EncodePolicy, EncoderFault, Rendition

log = structlog.get_logger("lobby")

# Devices that are tried for one encoding. Each is refused at most once, so this ends it only where `take` gives
# seats that were not asked for.
DEVICES_TRIED = 32
NO_STAGE = "The lobby lost its source just now."


class Opener:
    """Opens the tracks of one lobby."""

    def __init__(
        self, lobby: str, asked: Asked, settings: HostSettings, encoding: Encoding, instances: Instances
    ) -> None:
        self._asked = asked
        self._settings = settings
        self._lobby = lobby
        self._encoding = encoding
        self._instances = instances
        self._numbers = itertools.count(1)

    @property
    def policy(self) -> EncodePolicy:
        """How the lobby is encoded: what it says, and the settings of now where it says nothing."""
        return policy_of(self._asked.request.encoders, self._settings.encoders)

    def count_on(self, last: int) -> None:
        """Instances up to this number were opened by a former control plane."""
        self._numbers = itertools.count(last + 1)

    def holder(self, track: str) -> str:
        """The name under which a track asks for a seat; also its key on a bus."""
        return f"{self._lobby}/{track}"

    async def open(self, feed: Feed, stage: Stage) -> Instance:
        """Open a track. Raises SteadycastError: RefusedError where no encoder may be had, WorkerError where the stage
        is lost of it, ConflictError where the source has no such track."""
        if feed.encode is None:
            if feed.track not in stage.tracks:
                raise ConflictError(NO_TRACK, f"The source has no track {feed.track!r} any more.")
            return Instance(feed.track, stage, stage.tracks[feed.track])
        async with feed.lock:
            pass  # an instance that is being closed gives its seat back first
        try:
            return await self._try_devices(feed, feed.encode, stage)
        except RefusedError:
            feed.tried.forget()  # who comes later asks anew: the devices' breakers remember what counts for all
            raise

    async def _try_devices(self, feed: Feed, rendition: Rendition, stage: Stage) -> Instance:
        last: EncoderError | None = None
        for _ in range(DEVICES_TRIED):
            request = self.request(feed, rendition, stage)
            seat = await self._seat(feed, request)
            if not stage.works:
                self._encoding.give_back(seat)
                raise WorkerError("lobby.not_streaming", NO_STAGE, retry_after=1)
            if seat.device in request.refused:
                self._encoding.give_back(seat)
                break
            try:
                return await self.open_on(feed, stage, seat)
            except EncoderError as error:
                last = error
                log.warning("encoder did not open", holder=request.holder, device=seat.device, code=error.code)
                if not stage.works:
                    raise
        what = "No encoder could be opened."
        hint = "`steadycast doctor` says what each device lacks."
        raise RefusedError(
            Denial.NO_ENCODER, what, why=None if last is None else last.what, hint=hint, retry_after=5
        ) from last

    async def open_on(self, feed: Feed, stage: Stage, seat: Seat, made: Rendition | None = None) -> Instance:
        """Open an instance on this seat, as `made` where that is not the feed's rendition. Raises SteadycastError;
        EncoderError where its device is to blame, which is not asked again for a while then."""
        assert feed.encode is not None
        if (lost := stage.lost_devices.get(seat.device)) is not None:
            raise self._used_up(stage, lost, seat)
        name = f"{feed.track}.{next(self._numbers)}"
        try:
            instance = await self._instances.open(stage, made or feed.encode, seat, name)
            if instance.dead:
                raise EncoderError("encoder.failed", f"{seat.device_name} failed as soon as it was open.")
        except EncoderError:
            feed.tried.refuse(seat.device, time.monotonic())
            raise
        feed.tried.since = None
        return instance

    def _used_up(self, stage: Stage, why: str, seat: Seat) -> WorkerError:
        """The device is well again, and another worker has to use it: this one lost its driver."""
        self._encoding.give_back(seat)
        what = "the lobby worker lost its driver and is replaced"
        stage.lose(Loss(LossKind.WORKER, EncoderFault.DRIVER_LOST, what, why))
        return WorkerError("lobby.not_streaming", NO_STAGE, why=what, retry_after=1)

    async def beside(self, feed: Feed, stage: Stage, made: Rendition | None = None) -> Instance | None:
        """Open a track on a stage besides what makes it now, as `made` where that is not the feed's rendition: another
        bitrate of it. None where no seat is free for that. Raises SteadycastError where the stage is to blame."""
        assert feed.encode is not None
        for _ in range(DEVICES_TRIED):
            request = self.request(feed, feed.encode, stage)
            feed.tried.since = None  # it does not wait
            seat = self._encoding.beside(request)
            if seat is None:
                return None
            if seat.device in request.refused:
                self._encoding.give_back(seat)
                return None
            try:
                return await self.open_on(feed, stage, seat, made)
            except EncoderError as error:
                log.warning("encoder did not open", holder=request.holder, device=seat.device, code=error.code)
                if not stage.works:
                    raise
        return None

    async def _seat(self, feed: Feed, request: EncodeRequest) -> Seat:
        """The one that comes to it from what was before, else one of the desk."""
        legacy, feed.legacy = feed.legacy, None
        seat = None if legacy is None else await legacy.take()
        if seat is not None and seat.device in request.refused:
            self._encoding.give_back(seat)
            seat = None
        return await self._encoding.take(request) if seat is None else seat

    def request(self, feed: Feed, rendition: Rendition, stage: Stage) -> EncodeRequest:
        """What is asked of the encoders for a track on this stage."""
        check_references(rendition, stage.picture, self._settings.encoders.reference_budget_mb)
        holder, free = self.holder(feed.track), descriptors_free(stage.pid)
        asked = request_of(holder, rendition, stage.picture, self.policy, feed.tried, time.monotonic(), free)
        kind = asked.codec.value, asked.width, asked.height, asked.references
        return replace(asked, memory_free=stage.memory.left, memory_seen=stage.memory.seen.of(kind))
