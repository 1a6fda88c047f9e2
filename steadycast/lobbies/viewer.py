"""One viewer: who watches what and how, and where in its life it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from steadycast.lifecycle import VIEWER, Life, Move, ViewerState
from steadycast.lobbies.holds import Hold
from steadycast.model import Protocol, Subject
from steadycast.tracking.quiet import Lent

# What the moves are called as events. The first state is one of the first two.
EVENTS = {
    ViewerState.CONNECTING: "viewer.connecting",
    ViewerState.WATCHING: "viewer.joined",
    ViewerState.LEAVING: "viewer.leaving",
    ViewerState.GONE: "viewer.gone",
}


@dataclass(eq=False)
class Viewer:
    """A viewer that was answered (WHEP) or plays (RTSP). `first` is its state when it is met, `since` Unix seconds;
    `told` hears of its moves."""

    id: str
    hold: Hold
    protocol: Protocol
    since: float
    first: ViewerState = ViewerState.CONNECTING
    remote: str | None = None
    transport: str | None = None
    etag: str | None = None
    told: Callable[[Viewer, Move[ViewerState]], None] = lambda viewer, move: None
    _life: Life[ViewerState] = field(init=False)

    def __post_init__(self) -> None:
        self._life = Life(VIEWER, self.first, time.monotonic(), lambda move: self.told(self, move))

    @property
    def state(self) -> ViewerState:
        """Where it is."""
        return self._life.state

    def move(self, state: ViewerState, why: str | None = None) -> None:
        """Go there; where its life has gone past that, nothing happens."""
        if self._life.may(state):
            self._life.move(state, time.monotonic(), why)

    @property
    def lent(self) -> Lent:
        """What it is in its egress worker. Those over UDP share sockets, a connection over TCP has its own."""
        kind = self.protocol.value if self.protocol is Protocol.WHEP else f"{self.protocol.value} {self.transport}"
        return Lent(Subject.VIEWER, self.id, self.id, kind, self.hold.lobby.id, self.since)
