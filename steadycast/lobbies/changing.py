"""Brings a lobby that lives to another request: viewers stay wherever what they watch is still there.

All of it or nothing: where a step fails, those before are taken back, and the error says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from steadycast.config.settings import LobbySettings
from steadycast.errors import ConflictError, SteadycastError
from steadycast.lobbies.asked import Asked
from steadycast.lobbies.becoming import Becoming, Fate, becomes
from steadycast.lobbies.feed import Failed, Feed
from steadycast.lobbies.feeds import Feeds
from steadycast.lobbies.reopening import Reopened
from steadycast.model import Rendition

log = structlog.get_logger("lobby")


class Changing:
    """Of one lobby, one change at a time. `failed` hears whose track is gone; `renew` brings up the source of now, and
    answers with what it did."""

    def __init__(
        self,
        asked: Asked,
        feeds: Feeds,
        failed: Callable[[tuple[Failed, ...]], None],
        renew: Callable[[], Awaitable[str]],
    ) -> None:
        self._asked = asked
        self._feeds = feeds
        self._failed = failed
        self._renew = renew
        self._lock = asyncio.Lock()

    async def change(self, after: LobbySettings) -> tuple[str, ...]:
        """Go on with this request; answers with what was done, in words. Raises SteadycastError: it is as it was."""
        async with self._lock:
            before = self._asked.request
            if after.key != before.key:
                raise ConflictError("lobby.key", "The key of a lobby cannot change.", hint="Make another lobby.")
            fates = {one: becomes(one.track, one.encode, before, after) for one in self._feeds.all()}
            self._asked.request = after
            try:
                done = await self._open(before, after, fates)
            except BaseException:
                self._asked.request = before
                raise
            ends = {feed: become.why or "" for feed, become in fates.items() if become.fate is Fate.ENDS}
            await asyncio.gather(*(self._end(feed, why) for feed, why in ends.items()))
            done += [f"{feed.track} ended: {why}" for feed, why in ends.items()]
        said = [name for name in ("name", "encoders") if getattr(after, name) != getattr(before, name)]
        return (*said, *done)

    async def _open(self, before: LobbySettings, after: LobbySettings, fates: dict[Feed, Becoming]) -> list[str]:
        """What is to be opened anew, with another source or on the same worker."""
        changed = {feed: become.encode for feed, become in fates.items() if become.fate is Fate.REOPENS}
        if after.source == before.source:
            return await self._reopen(changed)
        olds = {feed: feed.encode for feed in changed}
        try:
            for feed, encode in changed.items():
                feed.encode = encode
            return [await self._renew(), *(f"{feed.track} opened anew" for feed in changed)]
        except BaseException:
            for feed, old in olds.items():
                feed.encode = old
            raise

    async def _reopen(self, changed: dict[Feed, Rendition | None]) -> list[str]:
        done: list[tuple[Feed, Rendition]] = []
        made: list[Reopened] = []
        try:
            for feed, encode in changed.items():
                if encode is None or feed.encode is None:
                    continue
                old = feed.encode
                made.append(await self._feeds.reopen(feed, encode))
                done.append((feed, old))
        except BaseException:
            for feed, old in done:
                await self._take_back(feed, old)
            raise
        self._failed(tuple(failed for one in made for failed in one.lost))
        return [f"{feed.track} {one.how}" for (feed, _), one in zip(done, made, strict=True)]

    async def _take_back(self, feed: Feed, old: Rendition) -> None:
        try:
            self._failed((await self._feeds.reopen(feed, old)).lost)
        except SteadycastError as error:
            log.warning("a change could not be taken back", track=feed.track, code=error.code, what=error.what)

    async def _end(self, feed: Feed, why: str) -> None:
        error = ConflictError("rendition.changed", f"{why}.")
        self._failed(tuple(Failed(feed.track, egress, error) for egress in set(feed.holds.values())))
        await self._feeds.end(feed)
