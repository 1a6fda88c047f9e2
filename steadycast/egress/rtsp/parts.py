"""What all connections of an RTSP server share, and the counters that they keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from steadycast.egress.events import EgressEvents
from steadycast.egress.fanout import Fanout
from steadycast.egress.options import EgressOptions
from steadycast.egress.rtsp.frames import NewestFrames
from steadycast.egress.rtsp.ports import PortPair

if TYPE_CHECKING:
    from steadycast.egress.rtsp.connection import RtspConnection
    from steadycast.egress.rtsp.playback import Playback

# A viewer may have its budget unsent, and the keyframe that took it over.
QUEUE_BUDGETS = 2


@dataclass(slots=True)
class Counters:
    """Since the server started."""

    connections: int = 0
    refused: int = 0  # connections over the limit
    requests: int = 0
    malformed: int = 0
    logins_refused: int = 0
    silent: int = 0  # clients ended because they gave no sign of life
    slow: int = 0  # clients ended because they could not keep up
    failures: int = 0  # requests that ended in an error of ours


@dataclass(slots=True)
class ServerParts:
    """`playbacks` are the sessions by viewer id; `connections` all open connections, those over the limit included;
    `strangers` those within it that nothing is kept open for, the oldest first."""

    fanout: Fanout
    events: EgressEvents
    options: EgressOptions
    ports: PortPair
    newest: NewestFrames = field(default_factory=NewestFrames)
    counters: Counters = field(default_factory=Counters)
    playbacks: dict[str, Playback] = field(default_factory=dict)
    connections: set[RtspConnection] = field(default_factory=set)
    strangers: dict[RtspConnection, None] = field(default_factory=dict)
