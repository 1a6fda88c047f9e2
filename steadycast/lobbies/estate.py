"""What a former control plane left of the tracks of one lobby: encoders, their seats, and buses, put in place."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from steadycast.errors import CallerError
from steadycast.lobbies.adapting import Tuned
from steadycast.lobbies.adopting import KeptLobby, KeptTrack, number_of
from steadycast.lobbies.carrying import Carrier
from steadycast.lobbies.egress import Egress
from steadycast.lobbies.feed import Bus, Feed
from steadycast.lobbies.instances import Instance, Instances
from steadycast.lobbies.opening import Opener
from steadycast.lobbies.quietly import quietly
from steadycast.lobbies.shelf import Shelf
from steadycast.lobbies.stage import Stage

log = structlog.get_logger("lobby")


class Estate:
    """`place` first; then the holders come (`Feeds.held`); then `settle`; `finish` once egress workers are heard."""

    def __init__(self, shelf: Shelf, carrier: Carrier, opener: Opener, instances: Instances) -> None:
        self._shelf = shelf
        self._carrier = carrier
        self._opener = opener
        self._instances = instances
        self._stage: Stage | None = None
        self._surplus: list[str] = []
        self._loose: tuple[tuple[str, str], ...] = ()

    def place(self, kept: KeptLobby, stage: Stage | None, egresses: Mapping[str, Egress]) -> None:
        """Go on with the tracks that are made; `egresses` by worker."""
        if stage is None or not stage.shows.done():
            return
        self._stage = self._carrier.stage = stage
        self._surplus, self._loose = list(kept.surplus), kept.loose
        named = [one.instance.instance for one in kept.tracks if one.instance is not None]
        self._opener.count_on(max(map(number_of, (*named, *kept.surplus)), default=0))
        for one in kept.tracks:
            feed = self._shelf.feed(one.track, one.encode)
            feed.instance = instance = self._instance(feed, one, stage)
            if instance is not None:
                there = (bus for bus in one.buses if bus.egress in egresses)
                feed.buses |= {egresses[bus.egress]: Bus(instance, bus.name) for bus in there}

    def settle(self) -> None:
        """All holders are there: what nobody holds is closed after a while."""
        for feed in self._shelf:
            if not feed.holds:
                self._shelf.linger(feed)

    def finish(self) -> None:
        """Begin to bring to the holders what they lack, and to end what is more than needed."""
        if self._stage is not None:
            self._carrier.spawn(self._finish(self._stage))

    async def _finish(self, stage: Stage) -> None:
        if self._surplus:
            for feed in self._shelf:
                if feed.instance is not None and feed.encode is not None and stage.works:
                    stage.force_keyframe(feed.instance.name)  # for those who are on their way to it
            await self._carrier.renew_all(self._shelf)  # what cannot be had is told by the lobby, which does the same
        for instance in self._surplus:
            await quietly(stage.close(instance))
        for made, reader in self._loose:
            await quietly(stage.detach(made, reader))

    def _instance(self, feed: Feed, one: KeptTrack, stage: Stage) -> Instance | None:
        if one.instance is None or one.encode is None:
            return Instance(one.track, stage, stage.tracks[one.track])
        try:
            request = self._opener.request(feed, one.encode, stage)
        except CallerError as error:  # its size is not known any more
            log.warning("an encoder is not gone on with", instance=one.instance.instance, why=error.what)
            self._surplus.append(one.instance.instance)
            return None
        feed.tried.since = None  # it does not wait
        adopted = self._instances.adopt(stage, one.instance, request)
        if one.instance.rendition != one.encode:
            adopted.tuned = Tuned(one.instance.rendition.bitrate_kbps)
        return adopted
