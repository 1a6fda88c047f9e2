"""What one viewer or RTSP connection keeps open, and how its tracks are found and opened."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.errors import RefusedError, WorkerError
from steadycast.leases.decisions import Denial
from steadycast.leases.quota import Lease
from steadycast.lobbies.choose import Choice, choices
from steadycast.lobbies.egresses import Egress
from steadycast.lobbies.lobby import Lobby
from steadycast.model import Codec, Protocol, TrackInfo

STAGES_TRIED = 3  # a viewer that comes while its lobby worker is replaced is moved on to the next one this often
Tracks = tuple[tuple[str, TrackInfo], ...]


@dataclass(eq=False)
class Hold:
    """Tracks kept open for one viewer or RTSP connection, and the place it takes."""

    name: str
    lobby: Lobby
    egress: Egress
    lease: Lease
    choice: Choice | None = None


async def open_tracks(hold: Hold, protocol: Protocol, codecs: frozenset[Codec] | None, rendition: str | None) -> Tracks:
    """Choose and open tracks for a hold; answers with key and info of each. Raises SteadycastError."""
    lobby = hold.lobby
    for tries_left in reversed(range(STAGES_TRIED)):
        stage = await lobby.ready()
        fitting = choices(protocol, codecs, rendition, lobby.request.renditions, stage.tracks)
        try:
            return await _first_that_encodes(hold, fitting)
        except WorkerError:
            if tries_left == 0 or not (stage.lost.done() or lobby.stage is not stage):
                raise
    raise AssertionError("not reached")


async def _first_that_encodes(hold: Hold, fitting: tuple[Choice, ...]) -> Tracks:
    """The best choice; another one only where nothing here encodes it. Full encoders are no reason to change."""
    best: RefusedError | None = None
    for choice in fitting:
        hold.choice = choice
        try:
            return await hold.lobby.feeds.hold(hold.name, choice, hold.egress)
        except RefusedError as error:
            if error.code != Denial.NO_ENCODER:
                raise best or error from None
            best = best or error
    hold.choice = fitting[0]
    assert best is not None, "there is always a choice"
    raise best
