"""The order that every egress worker of a host gets, from its settings. Pure."""

from __future__ import annotations

from steadycast.config.current import HostSettings
from steadycast.config.tokens import REALM, TokenHash
from steadycast.workers.messages import ConfigureEgress, IceServerInfo


def order_of(settings: HostSettings, token: TokenHash | None) -> ConfigureEgress:
    """Two that are equal make no difference to any viewer."""
    egress = settings.egress
    servers = tuple(
        IceServerInfo(s.url, s.username, s.credential.get_secret_value() if s.credential else None)
        for s in settings.webrtc.ice_servers
    )
    return ConfigureEgress(
        host=settings.host,
        udp_ports=settings.webrtc.udp_ports,
        public_address=settings.webrtc.public_address,
        ice_servers=servers,
        digest=token.digest() if token else {},
        realm=REALM,
        handshake_s=settings.webrtc.handshake_s,
        viewer_budget_bytes=egress.viewer_budget_bytes,
        viewer_stalled_s=egress.viewer_stalled_s,
        viewer_silence_s=egress.viewer_silence_s,
        history_bytes=egress.history_bytes,
        gop_bytes=egress.gop_bytes,
        rtsp_connections=settings.limits.rtsp_connections,
        request_s=settings.workers.request_s,
    )
