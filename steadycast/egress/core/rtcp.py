"""RTCP, written and read (RFC 3550 6, RFC 4585 6, RFC 5104 4.3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steadycast.egress.core.outlet import SenderInfo


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """One report block. `lost_fraction` is 0..1 since the last report, `jitter` in timestamp units, `last_report` and
    `delay` in 1/65536 s (RFC 3550 6.4.1)."""

    reporter: int
    ssrc: int
    lost_fraction: float
    lost: int
    highest: int
    jitter: int
    last_report: int
    delay: int


@dataclass(frozen=True, slots=True)
class Nack:
    """Lost packets of `ssrc`, sequence numbers expanded."""

    ssrc: int
    lost: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyframeRequest:
    """PLI or FIR for `ssrc`."""

    ssrc: int


@dataclass(frozen=True, slots=True)
class Bye:
    ssrcs: tuple[int, ...]


Feedback = ReceiverReport | Nack | KeyframeRequest | Bye


def compound(info: SenderInfo, cname: str) -> bytes:
    """A sender report and an SDES with the cname. Tracks that are shown in step have the same cname."""
    raise NotImplementedError


def bye(ssrcs: Sequence[int], cname: str) -> bytes:
    """An empty receiver report, SDES and BYE: the stream ends."""
    raise NotImplementedError


def parse(data: bytes) -> list[Feedback]:
    """What a compound packet says, as far as it is known and whole; the rest is passed over. Never raises."""
    raise NotImplementedError
