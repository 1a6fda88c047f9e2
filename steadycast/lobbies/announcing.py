"""Says what happens to a lobby and its tracks: log lines and events."""

from __future__ import annotations

import structlog

from steadycast.lifecycle import RenditionState
from steadycast.lobbies.asked import Asked
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.failure import Failure
from steadycast.lobbies.feeds import RenditionMove
from steadycast.model import LobbyState

log = structlog.get_logger("lobby")


class Announcer:
    """Of one lobby."""

    def __init__(self, lobby: str, asked: Asked, events: EventLog) -> None:
        self._lobby = lobby
        self._asked = asked
        self._events = events

    def state(
        self, state: LobbyState, why: str | None = None, code: str | None = None, took_s: float | None = None
    ) -> None:
        """It entered a state, after `took_s` seconds in the one before."""
        request = self._asked.request
        log.info("lobby", lobby=self._lobby, key=request.key, state=state.value, why=why)
        data = {"key": request.key, "name": request.name, "state": state.value, "code": code, "took_s": took_s}
        self._events.publish("lobby", f"lobby.{state.value}", lobby=self._lobby, why=why, data=data)

    def adopted(self, state: LobbyState, since: float, why: str) -> None:
        """A new host goes on with it, in this state since then (Unix seconds)."""
        request = self._asked.request
        log.info("lobby adopted", lobby=self._lobby, key=request.key, state=state.value, why=why)
        data = {"key": request.key, "name": request.name, "state": state.value, "since": since}
        self._events.publish("lobby", "lobby.adopted", lobby=self._lobby, why=why, data=data)

    def lost(self, failure: Failure, is_news: bool) -> None:
        """It does not stream; `is_news`: it did not before either, and now for another reason."""
        loss, retry_at = failure.loss, failure.retry_at
        log.warning("lost", lobby=self._lobby, code=loss.code, what=loss.what, why=loss.why, retry_at=retry_at)
        if is_news:
            self._events.publish("lobby", "lobby.changed", lobby=self._lobby, why=failure.why())

    def latched(self, failure: Failure) -> None:
        """It stays down until a person acts."""
        data = {"hint": failure.hint(), "code": failure.loss.code}
        self._events.publish("lobby", "lobby.latched", lobby=self._lobby, why=failure.why(), data=data)

    def restarted(self, why: str) -> None:
        """What was is forgiven, and it is tried again."""
        self._events.publish("lobby", "lobby.restarted", lobby=self._lobby, why=why)

    def changed(self, state: LobbyState, done: tuple[str, ...]) -> None:
        """Its request changed, and this was done."""
        request = self._asked.request
        log.info("lobby changed", lobby=self._lobby, done=done)
        data = {"key": request.key, "name": request.name, "state": state.value, "done": list(done)}
        self._events.publish("lobby", "lobby.changed", lobby=self._lobby, why="; ".join(done) or None, data=data)

    def track(self, move: RenditionMove) -> None:
        """A track entered a state."""
        device = None if move.seat is None else move.seat.device
        state: RenditionState = move.state
        log.debug("rendition", lobby=self._lobby, track=move.track, state=state.value, why=move.cause, device=device)
        data = {"track": move.track, "state": state.value, "took_s": move.took_s, "device": device}
        self._events.publish("rendition", f"rendition.{state.value}", lobby=self._lobby, why=move.cause, data=data)
