"""Which state a track is in, told from what is there of it; it moves by the table of renditions. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from steadycast.lifecycle import RENDITION, Life, Move, RenditionState

Told = Callable[[RenditionState, str | None, float], None]


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is of a track: something makes it, another shall take over, somebody holds it; it is being closed, and
    nothing of it is left."""

    made: bool
    moving: bool
    held: bool
    closing: bool
    closed: bool


def next_state(now: RenditionState, facts: Facts) -> RenditionState:
    """One step on the way to what the facts say; `now` where there is none."""
    if now is RenditionState.CLOSED or (facts.closed and now is RenditionState.CLOSING):
        return RenditionState.CLOSED
    if facts.closing or facts.closed:
        return RenditionState.CLOSING
    if not facts.made or now is RenditionState.CLOSING:
        return RenditionState.OPENING
    if now is RenditionState.OPENING:
        return RenditionState.OPEN
    if facts.moving:
        return RenditionState.MOVING
    return RenditionState.OPEN if facts.held else RenditionState.IDLE


class FeedLife:
    """Follows the facts of one track and says each state when it is entered, with why and the seconds spent in the one
    before. `because` names the cause of the next move."""

    def __init__(self, now: float, told: Told) -> None:
        self._told = told
        self._cause: str | None = None
        self._life = Life(RENDITION, RenditionState.OPENING, now, self._moved)
        told(RenditionState.OPENING, None, 0.0)

    @property
    def state(self) -> RenditionState:
        """Where it is."""
        return self._life.state

    def because(self, cause: str) -> None:
        """Why what comes next comes."""
        self._cause = cause

    def follow(self, facts: Facts, now: float) -> None:
        """Go where the facts are."""
        while (state := next_state(self._life.state, facts)) is not self._life.state:
            self._life.move(state, now, self._cause)
        self._cause = None

    def _moved(self, move: Move[RenditionState]) -> None:
        self._told(move.new, move.cause, move.took_s)
