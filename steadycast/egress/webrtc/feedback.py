"""What a viewer tells in RTCP, brought to the streams that it is about."""

from __future__ import annotations

from collections.abc import Mapping

from steadycast.egress.core import rtcp
from steadycast.egress.core.arrivals import Arrivals
from steadycast.egress.core.link import Link
from steadycast.egress.webrtc.stream import TrackStream


def take(feedback: rtcp.Feedback, streams: Mapping[int, TrackStream], now: float) -> None:
    """Do what one message asks for; `streams` of this viewer by SSRC. What is of none of them is passed over."""
    if isinstance(feedback, Arrivals | rtcp.Bound):
        link = link_of(streams)
        if link is not None and isinstance(feedback, Arrivals):
            link.arrived(feedback, now)
        elif link is not None and isinstance(feedback, rtcp.Bound):
            link.bounded(feedback.bps, now)
        return
    if isinstance(feedback, rtcp.Bye):
        return  # a viewer that leaves says so by DTLS; a BYE may mean only one of its receivers
    stream = streams.get(feedback.ssrc)
    if stream is None:
        return
    if isinstance(feedback, rtcp.Nack):
        stream.resend(feedback.lost, now)
    elif isinstance(feedback, rtcp.KeyframeRequest):
        stream.want_keyframe()
    elif stream.link is not None:
        stream.link.reported(feedback.lost_fraction, feedback.last_report, feedback.delay, now)


def link_of(streams: Mapping[int, TrackStream]) -> Link | None:
    """That of the picture; None for a viewer of sound alone."""
    return next((stream.link for stream in streams.values() if stream.link is not None), None)
