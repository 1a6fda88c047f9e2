"""ICE candidates as SDP spells them (RFC 8839 section 5.1). Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

COMPONENT_RTP = 1

# Type preferences of RFC 8445 section 5.1.2.2.
TYPE_PREFERENCE = {"host": 126, "prflx": 110, "srflx": 100, "relay": 0}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One UDP candidate with a numeric address. `related` is the base of a reflexive or relayed one."""

    foundation: str
    priority: int
    address: str
    port: int
    kind: str
    related: tuple[str, int] | None = None

    def line(self) -> str:
        """The value of an `a=candidate` attribute, without `a=`."""
        text = f"candidate:{self.foundation} {COMPONENT_RTP} udp {self.priority} {self.address} {self.port}"
        text += f" typ {self.kind}"
        if self.related is not None:
            text += f" raddr {self.related[0]} rport {self.related[1]}"
        return text


def priority_of(kind: str, local_preference: int = 65535) -> int:
    """Candidate priority (RFC 8445 section 5.1.2.1) of component 1."""
    return (TYPE_PREFERENCE[kind] << 24) | (local_preference << 8) | (256 - COMPONENT_RTP)


def parse_candidate(value: str) -> Candidate | None:
    """The candidate of an `a=candidate` value; None for one that cannot be used here and for garbage.

    Not usable: TCP, another component than RTP, a host name (browsers hide their addresses behind `.local` names, which
    their checks then show), an address that no datagram can be sent to.
    """
    parts = value.removeprefix("a=").removeprefix("candidate:").split()
    if len(parts) < 8 or parts[6] != "typ" or parts[1] != str(COMPONENT_RTP) or parts[2].lower() != "udp":
        return None
    if parts[7] not in TYPE_PREFERENCE or not _is_number(parts[3], 2**32 - 1) or not _is_number(parts[5], 65535):
        return None
    try:
        address = ipaddress.ip_address(parts[4].partition("%")[0])
    except ValueError:
        return None
    port = int(parts[5])
    if port == 0 or address.is_unspecified or address.is_multicast:
        return None
    return Candidate(parts[0][:32], int(parts[3]), str(address), port, parts[7])


def _is_number(text: str, largest: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= largest
