"""What the control plane and its workers say to each other: one frozen dataclass a message, one table of names.

Pure. A message travels as one datagram of a SOCK_SEQPACKET Unix socket: JSON, with descriptors beside it where the
message's text says so. A message that is asked with `Channel.request` is answered with `Done` or `Failed` of the same
`seq`. The sender is always known by its socket, so no message carries a worker id.
"""

from __future__ import annotations

from typing import Any

from steadycast.workers.messages.common import (
    Done,
    End,
    Failed,
    Heartbeat,
    Hello,
    Settle,
    TakeStock,
)
from steadycast.workers.messages.display import (
    CommandExited,
    DisplayFailed,
    ShowDisplay,
)
from steadycast.workers.messages.egress import (
    BusLost,
    BusTaken,
    CloseTrack,
    ConfigureEgress,
    DrainEgress,
    HandListener,
    IceServerInfo,
    KeyframeWanted,
    KickViewer,
    OpenBus,
    RtspDescribe,
    RtspGone,
    RtspListener,
    TurnViewer,
    ViewerConnected,
    ViewerGone,
    ViewerJoined,
    WhepOffer,
    WhepPatch,
)
from steadycast.workers.messages.lobby import (
    AttachReader,
    CloseRendition,
    CountObjects,
    DetachReader,
    EncoderReported,
    ForceKeyframe,
    OpenRendition,
    ParkRendition,
    Press,
    ProveKeyframe,
    RenditionFailed,
    RetuneRendition,
    ShowSource,
    SourceFailed,
    SourceReady,
    TakeOverRendition,
)

__all__ = [
    "MESSAGES",
    "AttachReader",
    "BusLost",
    "BusTaken",
    "CloseRendition",
    "CloseTrack",
    "CommandExited",
    "ConfigureEgress",
    "CountObjects",
    "DetachReader",
    "DisplayFailed",
    "Done",
    "DrainEgress",
    "EncoderReported",
    "End",
    "Failed",
    "ForceKeyframe",
    "HandListener",
    "Heartbeat",
    "Hello",
    "IceServerInfo",
    "KeyframeWanted",
    "KickViewer",
    "OpenBus",
    "OpenRendition",
    "ParkRendition",
    "Press",
    "ProveKeyframe",
    "RenditionFailed",
    "RetuneRendition",
    "RtspDescribe",
    "RtspGone",
    "RtspListener",
    "Settle",
    "ShowDisplay",
    "ShowSource",
    "SourceFailed",
    "SourceReady",
    "TakeOverRendition",
    "TakeStock",
    "TurnViewer",
    "ViewerConnected",
    "ViewerGone",
    "ViewerJoined",
    "WhepOffer",
    "WhepPatch",
]

# Every name above but this one, as it stands in the envelope.
MESSAGES: dict[str, type[Any]] = {name: globals()[name] for name in __all__ if name != "MESSAGES"}
