"""The state of an RTSP session (RFC 2326 appendix A) and which methods it allows. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from steadycast.egress.rtsp.address import Address
from steadycast.egress.rtsp.transport import Channels, Transport


class State(StrEnum):
    READY = "ready"
    PLAYING = "playing"


@dataclass(slots=True)
class Session:
    """One client's session: the presentation it is for, and how each track that it set up travels."""

    id: str
    path: str
    state: State = State.READY
    transports: dict[int, Transport] = field(default_factory=dict)

    def taken_channels(self, but: int | None = None) -> frozenset[int]:
        """The channels in use, leaving out those of the track `but`."""
        used = [way for track, way in self.transports.items() if track != but and isinstance(way, Channels)]
        return frozenset(channel for way in used for channel in (way.rtp, way.rtcp))


def named_session(header: str | None) -> str | None:
    """The identifier in a Session header, without what follows it; None where there is no header."""
    return None if header is None else header.partition(";")[0].strip()


def refusal(method: str, named: str | None, address: Address, session: Session | None) -> int | None:
    """The status that says why a method cannot be done now; None: it can.

    SETUP needs no session; PLAY and PAUSE need one; the others take one to keep it alive. `named` is what the request
    names.
    """
    if named is not None and (session is None or named != session.id):
        return 454
    if method == "SETUP":
        return _setup_refusal(address, session)
    if method not in ("PLAY", "PAUSE", "TEARDOWN"):
        return None
    if session is None or named is None:
        return 454
    if address.path not in ("", session.path):
        return 404
    return _control_refusal(method, address, session)


def _setup_refusal(address: Address, session: Session | None) -> int | None:
    if session is None:
        return None
    if session.state is State.PLAYING or address.path != session.path:
        return 455
    return None


def _control_refusal(method: str, address: Address, session: Session) -> int | None:
    if address.track is None:
        return None
    if address.track not in session.transports:
        return 455
    if len(session.transports) == 1 or (method == "TEARDOWN" and session.state is State.READY):
        return None
    return 460


def track_for_setup(address: Address, tracks: int) -> int | None:
    """The track that a SETUP is for; None where the address says none of them (459). One track needs no name."""
    if address.track is not None:
        return address.track if address.track < tracks else None
    return 0 if tracks == 1 else None
