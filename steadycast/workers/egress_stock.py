"""What an egress holds, in the words of the messages."""

from __future__ import annotations

from steadycast.egress.egress import Egress
from steadycast.egress.stock import Watcher
from steadycast.workers.messages import ConfigureEgress
from steadycast.workers.messages.stock import BusStock, EgressStock, HoldStock, ViewerStock


def stock_of(order: ConfigureEgress | None, egress: Egress) -> EgressStock:
    """All of it at this moment, in one piece."""
    held = egress.held()
    return EgressStock(
        order,
        egress.udp_port,
        egress.draining,
        tuple(BusStock(t.key, t.info, t.epoch, t.bus, t.waiting) for t in held.tracks),
        tuple(_viewer(watcher) for watcher in held.watchers),
        tuple(HoldStock(one.hold, one.lobby, one.tracks) for one in held.described),
    )


def _viewer(w: Watcher) -> ViewerStock:
    lobby = w.tracks[0].partition("/")[0] if w.tracks else ""
    return ViewerStock(
        w.viewer, w.protocol, lobby, w.tracks, w.since, w.connected, w.remote, w.transport, w.etag, w.hold
    )
