"""The egress as one thing: the fan-out, and the two protocols in front of it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from steadycast.egress.events import EgressEvents
from steadycast.egress.fanout import Fanout, FanoutStatistics
from steadycast.egress.options import EgressOptions
from steadycast.egress.rtsp.server import RtspServer, RtspStatistics
from steadycast.egress.stock import EgressHoldings
from steadycast.egress.udp import Address, UdpPort, UdpStatistics
from steadycast.egress.webrtc.peers import WebrtcPeers, WebrtcStatistics
from steadycast.model import TrackInfo

# A viewer may have its budget unsent, and what was under way when it went over it: the largest keyframe, a replay.
_QUEUE_BUDGETS = 2


@dataclass(frozen=True, slots=True)
class EgressStatistics:
    """All that the egress holds and counted. `rtsp` is None until it was started."""

    fanout: FanoutStatistics
    udp: UdpStatistics
    webrtc: WebrtcStatistics
    rtsp: RtspStatistics | None


class Egress:
    """Tracks in, viewers out, on the running loop. `start` before anything else, `close` at the end."""

    def __init__(self, options: EgressOptions, listener: socket.socket, events: EgressEvents) -> None:
        """`listener` is the listening RTSP socket, taken over. Raises RefusedError where no UDP port is free."""
        self._fanout = Fanout(
            options.history_bytes, options.gop_bytes, events.keyframe_wanted, events.bus_lost, events.bus_taken
        )
        queue_bytes = _QUEUE_BUDGETS * options.viewer_budget_bytes
        self._port = UdpPort.open(options.host, options.udp_ports, self._received, queue_bytes)
        self._webrtc = WebrtcPeers(self._fanout, self._port, options, events)
        self._rtsp = RtspServer(self._fanout, listener, options, events)
        self.draining = False

    @property
    def udp_port(self) -> int:
        """The port that all WebRTC viewers share."""
        return self._port.port

    async def start(self) -> None:
        """Take RTSP players from now on; raises RefusedError where no pair of UDP ports is free."""
        await self._rtsp.start()

    def listener_copy(self) -> int:
        """As `RtspServer.listener_copy`."""
        return self._rtsp.listener_copy()

    def drain(self) -> None:
        """Take no new RTSP connections: the listening socket is let go. Viewers stay."""
        self.draining = True
        self._rtsp.drain()

    def open_bus(self, key: str, epoch: str, info: TrackInfo, sock: socket.socket, bus: str = "") -> None:
        """As `Fanout.open_bus`."""
        self._fanout.open_bus(key, epoch, info, sock, bus)

    def close_track(self, key: str) -> None:
        """Forget a track; its viewers end, and are told of as gone."""
        self._fanout.close_track(key)

    async def whep_offer(
        self, viewer: str, tracks: Sequence[str], sdp: str, etag: str | None = None, remote: str | None = None
    ) -> str:
        """The answer to a browser's offer; raises CallerError, NotFoundError, ConflictError, RefusedError."""
        return await self._webrtc.offer(viewer, tracks, sdp, etag, remote)

    async def whep_patch(self, viewer: str, fragment: str, etag: str | None = None) -> str | None:
        """Candidates (None), or an ICE restart with its answer; raises CallerError, NotFoundError."""
        return await self._webrtc.patch(viewer, fragment, etag)

    async def turn(self, viewer: str, before: str, after: str) -> None:
        """As `WebrtcPeers.turn`: RTSP players described what they play."""
        await self._webrtc.turn(viewer, before, after)

    async def kick(self, viewer: str, reason: str) -> None:
        """End a viewer of either protocol; an unknown one is no error."""
        if not await self._rtsp.kick(viewer, reason):
            await self._webrtc.end(viewer, reason)

    def held(self) -> EgressHoldings:
        """What a new control plane must know."""
        playing, described = self._rtsp.held()
        return EgressHoldings(self._fanout.held(), (*self._webrtc.held(), *playing), described)

    def statistics(self) -> EgressStatistics:
        """Everything at once."""
        return EgressStatistics(
            self._fanout.statistics(), self._port.statistics(), self._webrtc.statistics(), self._rtsp.statistics()
        )

    async def close(self) -> None:
        """End all viewers with a goodbye, close all tracks and sockets."""
        await self._rtsp.close()
        await self._webrtc.close()
        self._fanout.close()
        self._port.close()

    def _received(self, data: bytes, address: Address) -> None:
        self._webrtc.receive(data, address)
