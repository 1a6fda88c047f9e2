"""The Transport header (RFC 2326 section 12.39): which of the client's proposals works here. Pure."""

from __future__ import annotations

from dataclasses import dataclass

PROPOSALS = 16


@dataclass(frozen=True, slots=True)
class UdpPorts:
    """RTP and RTCP ports of the client. Its address is the one it speaks RTSP from, never one that it names."""

    rtp: int
    rtcp: int


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels of the client's own connection for RTP and RTCP."""

    rtp: int
    rtcp: int


Transport = UdpPorts | Channels


@dataclass(frozen=True, slots=True)
class _Proposal:
    profile: str
    parameters: dict[str, str]


def choose_transport(header: str, taken: frozenset[int]) -> Transport | None:
    """The first proposal that works; None where none does. `taken` are channels that other tracks use already."""
    for text in header.split(",")[:PROPOSALS]:
        if (transport := _accept(_parse(text), taken)) is not None:
            return transport
    return None


def spell_udp(ports: UdpPorts, server: tuple[int, int], ssrc: int) -> str:
    """The answer's Transport header; `server` are the RTP and RTCP ports here."""
    return (
        f"RTP/AVP;unicast;client_port={ports.rtp}-{ports.rtcp};server_port={server[0]}-{server[1]}"
        f';ssrc={ssrc:08X};mode="PLAY"'
    )


def spell_channels(channels: Channels, ssrc: int) -> str:
    """The answer's Transport header."""
    return f'RTP/AVP/TCP;unicast;interleaved={channels.rtp}-{channels.rtcp};ssrc={ssrc:08X};mode="PLAY"'


def _parse(text: str) -> _Proposal:
    first, *rest = (part.strip() for part in text.split(";"))
    parameters = {}
    for part in rest:
        name, _, value = part.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    return _Proposal(first.upper(), parameters)


def _accept(proposal: _Proposal, taken: frozenset[int]) -> Transport | None:
    parameters = proposal.parameters
    # RFC 2326 says that multicast is the default; no client means it where it says neither.
    if "multicast" in parameters or parameters.get("mode", "PLAY").upper() != "PLAY":
        return None
    if proposal.profile in ("RTP/AVP", "RTP/AVP/UDP"):
        pair = _pair(parameters.get("client_port", ""), 1, 65535)
        return UdpPorts(*pair) if pair else None
    if proposal.profile != "RTP/AVP/TCP":
        return None
    if "interleaved" not in parameters:
        return _free_channels(taken)
    pair = _pair(parameters["interleaved"], 0, 255)
    return Channels(*pair) if pair and not taken.intersection(pair) else None


def _free_channels(taken: frozenset[int]) -> Channels | None:
    free = (low for low in range(0, 256, 2) if low not in taken and low + 1 not in taken)
    low = next(free, None)
    return None if low is None else Channels(low, low + 1)


def _pair(text: str, lowest: int, highest: int) -> tuple[int, int] | None:
    """`a-b`, or `a` alone, which means `a` and the next; None where it is neither or out of range."""
    first, dash, second = text.partition("-")
    numbers = [first, second] if dash else [first]
    if not all(number.isascii() and number.isdigit() and len(number) <= 5 for number in numbers):
        return None
    low = int(first)
    high = int(second) if dash else low + 1
    if low == high or not (lowest <= low <= highest and lowest <= high <= highest):
        return None
    return low, high
