"""Entry point of an egress worker (`python -m` this module): orders become calls, events become messages."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import socket
from collections.abc import Callable
from itertools import islice
from typing import Any

from steadycast.egress.egress import Egress, EgressStatistics
from steadycast.egress.events import DescribedTrack, Description, RtspViewer
from steadycast.egress.options import EgressOptions, IceServer
from steadycast.errors import ConflictError, SteadycastError, WorkerError
from steadycast.model import Protocol, TrackInfo
from steadycast.workers.channel import Descriptors
from steadycast.workers.child import Parent, run_child
from steadycast.workers.codec import CodecError, from_plain
from steadycast.workers.egress_stock import stock_of
from steadycast.workers.messages import (
    BusLost,
    BusTaken,
    CloseTrack,
    ConfigureEgress,
    DrainEgress,
    HandListener,
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
from steadycast.workers.messages.stock import EgressStock
from steadycast.workers.paging import pages

VIEWERS_TOLD = 1000  # viewers whose counters a heartbeat carries: a message has a bound


class Told:
    """`EgressEvents` as messages to the control plane. While there is none they go nowhere."""

    def __init__(self, parent: Parent, request_s: float) -> None:
        self._parent = parent
        self._request_s = request_s

    async def describe(self, path: str, hold: str, remote: str) -> Description:
        body = await self._ask(RtspDescribe(path, hold, remote))
        try:
            tracks = tuple(
                DescribedTrack(str(item["track"]), from_plain(TrackInfo, item["info"])) for item in body["tracks"]
            )
            return Description(str(body["lobby"]), str(body["name"]), tracks)
        except (KeyError, TypeError, CodecError) as error:
            raise WorkerError("worker.answer", "the answer to RtspDescribe makes no sense", why=repr(error)) from error

    async def _ask(self, message: RtspDescribe) -> dict[str, Any]:
        """Ask the control plane; where it dies, the next one. The asker has a deadline for all of it."""
        while True:
            await self._parent.reached(self._request_s)
            channel = self._parent.channel
            try:
                return await self._parent.request(message, deadline=self._request_s)
            except WorkerError:
                if channel is None or not channel.closed.done():
                    raise
            await asyncio.sleep(0)  # the parent hears of it in the loop's next turn

    def hold_gone(self, hold: str) -> None:
        self._parent.post(RtspGone(hold))

    def viewer_joined(self, viewer: RtspViewer) -> None:
        v = viewer
        self._parent.post(ViewerJoined(v.viewer, v.lobby, v.tracks, Protocol.RTSP, v.remote, v.transport, v.hold))

    def viewer_connected(self, viewer: str, remote: str) -> None:
        self._parent.post(ViewerConnected(viewer, remote))

    def viewer_gone(self, viewer: str, reason: str) -> None:
        self._parent.post(ViewerGone(viewer, reason))

    def keyframe_wanted(self, track: str) -> None:
        self._parent.post(KeyframeWanted(track))

    def bus_taken(self, track: str, bus: str) -> None:
        if bus:  # else nobody waits for it
            self._parent.post(BusTaken(track, bus))

    def bus_lost(self, track: str) -> None:
        self._parent.post(BusLost(track))


class EgressBody:
    """What an egress worker does with its orders."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._egress: Egress | None = None
        self._order: ConfigureEgress | None = None
        self._stock: tuple[EgressStock, ...] = ()  # pages of one moment, until the last was fetched

    def on_message(self, message: Any, fds: Descriptors) -> None:
        """No order of the control plane comes without a request."""
        raise WorkerError("worker.message", f"an egress worker does not know {type(message).__name__}")

    async def on_request(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        """Do what an order says; returns what its text promises."""
        match message:
            case ConfigureEgress():
                return await self._configure(message, fds)
            case OpenBus():
                egress, sock = self._running, socket.socket(fileno=fds.take())
                egress.open_bus(message.track, message.epoch, message.info, sock, message.bus)
            case CloseTrack():
                self._running.close_track(message.track)
            case WhepOffer():
                m = message
                return {"answer": await self._running.whep_offer(m.viewer, m.tracks, m.sdp, m.etag, m.remote)}
            case WhepPatch():
                return {"fragment": await self._running.whep_patch(message.viewer, message.fragment, message.etag)}
            case KickViewer():
                await self._running.kick(message.viewer, message.reason)
            case TurnViewer():
                await self._running.turn(message.viewer, message.before, message.after)
            case DrainEgress():
                self._running.drain()
            case HandListener():
                self._hand_listener()
            case _:
                raise WorkerError("worker.message", f"an egress worker does not know {type(message).__name__}")
        return {}

    def stock(self, after: int) -> tuple[EgressStock, int | None]:
        """A page of what was there when the first page was asked for; messages tell what changed since."""
        if after == 0:
            self._stock = (EgressStock(),)
            if self._egress is not None:
                self._stock = pages(stock_of(self._order, self._egress))
        if not 0 <= after < len(self._stock):
            raise ConflictError("egress.stock", f"there is no page {after} of the stock", hint="begin at 0")
        page, last = self._stock[after], after + 1 == len(self._stock)
        if last:
            self._stock = ()
        return page, None if last else after + 1

    def statistics(self) -> dict[str, Any]:
        """Totals, and the counters of each viewer (at most `VIEWERS_TOLD`)."""
        return {} if self._egress is None else told_statistics(self._egress.statistics())

    async def close(self) -> None:
        """End all viewers."""
        if self._egress is not None:
            await self._egress.close()

    @property
    def _running(self) -> Egress:
        return self._running_or("egress.not_configured")

    def _running_or(self, code: str) -> Egress:
        if self._egress is None:
            raise ConflictError(code, "this egress worker was not configured yet")
        return self._egress

    def _hand_listener(self) -> None:
        copy = self._running_or("egress.no_listener").listener_copy()
        if not self._parent.post(RtspListener(), (copy,)):
            raise WorkerError("worker.alone", "the listening socket could not be handed over")

    async def _configure(self, order: ConfigureEgress, fds: Descriptors) -> dict[str, Any]:
        if self._egress is not None:
            raise ConflictError("egress.configured", "this egress worker is configured already")
        listener = socket.socket(fileno=fds.take())
        try:
            egress = Egress(options_of(order), listener, Told(self._parent, order.request_s))
        except SteadycastError:
            listener.close()
            raise
        self._egress, self._order = egress, order  # before it starts: the first player may come at once
        try:
            await egress.start()
        except SteadycastError:
            self._egress = self._order = None
            await egress.close()
            raise
        return {"udp_port": egress.udp_port}


def options_of(order: ConfigureEgress) -> EgressOptions:
    """The order in the words of the egress."""
    return EgressOptions(
        host=order.host,
        udp_ports=order.udp_ports,
        public_address=order.public_address,
        ice_servers=tuple(IceServer(s.url, s.username, s.credential) for s in order.ice_servers),
        digest=order.digest,
        realm=order.realm,
        handshake_s=order.handshake_s,
        viewer_budget_bytes=order.viewer_budget_bytes,
        viewer_stalled_s=order.viewer_stalled_s,
        viewer_silence_s=order.viewer_silence_s,
        history_bytes=order.history_bytes,
        gop_bytes=order.gop_bytes,
        rtsp_connections=order.rtsp_connections,
        request_s=order.request_s,
    )


def told_statistics(statistics: EgressStatistics) -> dict[str, Any]:
    """What a heartbeat says. `viewers` maps viewer ids to their counters; tracks are summed up."""
    fanout, udp, webrtc, rtsp = statistics.fanout, statistics.udp, statistics.webrtc, statistics.rtsp
    players = rtsp.viewers if rtsp is not None else ()
    viewers: dict[str, dict[str, Any]] = {
        p.viewer: _told_viewer(p.packets, p.octets, p.skipped_frames, p.queued_bytes)
        | {
            "lost_fraction": _short(p.lost_fraction),
            "rtt_s": _short(p.rtt_s),
            "estimate_bps": _short(p.estimate_bps, 0),
        }
        for p in webrtc.peers
    }
    viewers |= {p.viewer: _told_viewer(p.packets, p.octets, p.skipped, p.queued_bytes) for p in players}
    return {
        "tracks": len(fanout.tracks),
        "buses": fanout.buses,
        "webrtc_viewers": webrtc.connected,
        "webrtc_connecting": webrtc.connecting,
        "rtsp_connections": 0 if rtsp is None else rtsp.connections,
        "rtsp_viewers": len(players),
        "frames": sum(track.counters.frames for track in fanout.tracks),
        "gaps": sum(track.counters.gaps for track in fanout.tracks),
        "dropped_packets": sum(track.counters.dropped for track in fanout.tracks),
        "switches": sum(track.counters.switches for track in fanout.tracks),
        "history_bytes": sum(track.counters.history_bytes for track in fanout.tracks),
        "gop_bytes": sum(track.counters.gop_bytes for track in fanout.tracks),
        "failures": fanout.failures,
        "udp_packets": udp.packets,
        "udp_bytes": udp.bytes,
        "udp_queued_bytes": udp.queued_bytes,
        "udp_gso": udp.gso,
        "viewers": dict(islice(viewers.items(), VIEWERS_TOLD)),
    }


def _short(value: float | None, digits: int = 4) -> float | int | None:
    """A message has a bound, and many viewers are in it."""
    return None if value is None else round(value, digits or None)


def _told_viewer(packets: int, octets: int, skipped: int, queued: int) -> dict[str, Any]:
    return {"packets": packets, "octets": octets, "skipped_frames": skipped, "queued_bytes": queued}


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed: it spends less on each wake-up; asyncio's own does as well."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory


if __name__ == "__main__":
    run_child("egress", EgressBody, loop_factory=_loop_factory())
