"""What is shown of lobbies, viewers and events: frozen dataclasses that the API, the page and the metrics read.

Credentials are masked before anything comes here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from steadycast.model import LobbyState, Protocol, Receipt, Rendition, TrackInfo


@dataclass(frozen=True, slots=True)
class RenditionView:
    """A rendition as declared, and what it is now. `running` renditions have `track`; times are Unix seconds."""

    name: str
    declared: Rendition | None  # None: made by the host (`copy`, `main`)
    running: bool
    viewers: int
    track: TrackInfo | None
    closes_at: float | None  # when it ends if no viewer comes


@dataclass(frozen=True, slots=True)
class LobbyView:
    """A lobby as seen from outside. `why` says in the words of the source why it is not STREAMING."""

    id: str
    key: str | None
    name: str
    state: LobbyState
    since: float
    created: float
    why: str | None
    hint: str | None
    code: str | None
    retry_at: float | None
    source: dict[str, Any]  # the request's source, credentials masked
    renditions: tuple[RenditionView, ...]
    audio: bool
    viewers: int
    workers: tuple[int, ...]  # pids
    restarts: int
    whep: str  # path, `/whep/{id}`
    rtsp: str  # path, `/{id}`


@dataclass(frozen=True, slots=True)
class ViewerView:
    """A viewer as seen from outside. `state` is `connecting` or `watching`."""

    id: str
    lobby: str
    rendition: str
    protocol: Protocol
    state: str
    remote: str | None
    transport: str | None
    since: float
    statistics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deleted:
    """The answer of a delete: everything of the lobby is gone, and this was measured."""

    lobby: str
    state: LobbyState  # DESTROYED or CLEANUP_INCOMPLETE
    receipts: tuple[Receipt, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `id` rises by one; `kind` is `lobby`, `viewer`, `worker`, `receipt` or `host`."""

    id: int
    at: float
    kind: str
    name: str  # `lobby.STREAMING`, `viewer.joined`, `viewer.gone`, `worker.died`, `receipt`, ...
    lobby: str | None
    viewer: str | None = None
    why: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
