"""Trickled candidates and ICE restarts as SDP fragments (application/trickle-ice-sdpfrag, RFC 8840). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steadycast.egress.webrtc.candidate import Candidate, parse_candidate
from steadycast.egress.webrtc.sdp import MOST_CANDIDATES
from steadycast.egress.webrtc.sdp_text import Attributes, malformed, read_lines
from steadycast.errors import CallerError


@dataclass(frozen=True, slots=True)
class Fragment:
    """Candidates of one generation. `ufrag` and `pwd` are the sender's; other ones than before mean an ICE restart."""

    ufrag: str | None
    pwd: str | None
    candidates: tuple[Candidate, ...]
    ended: bool
    mid: str | None = None


def parse_fragment(text: str | bytes) -> Fragment:
    """Read a fragment. Raises CallerError `sdp.empty`, `sdp.too_large`, `sdp.binary`, `sdp.malformed`."""
    attributes = Attributes(read_lines(text, whole=False))
    ufrag, pwd = attributes.first("ice-ufrag"), attributes.first("ice-pwd")
    for name, value, shortest in (("ice-ufrag", ufrag, 4), ("ice-pwd", pwd, 22)):
        if value is not None and not (value.isascii() and shortest <= len(value) <= 256):
            raise malformed(f"a={name} is not {shortest} to 256 characters long (RFC 8839 section 5.4).")
    if ufrag is None and (pwd is not None or "candidate" not in attributes):
        raise _nothing()
    candidates = [parse_candidate(value) for value in attributes.all("candidate")[:MOST_CANDIDATES]]
    return Fragment(
        ufrag=ufrag,
        pwd=pwd,
        candidates=tuple(candidate for candidate in candidates if candidate is not None),
        ended="end-of-candidates" in attributes,
        mid=attributes.first("mid"),
    )


def _nothing() -> CallerError:
    return malformed("The fragment has neither a=candidate nor a=ice-ufrag with a=ice-pwd.")


def write_fragment(ufrag: str, pwd: str, candidates: Sequence[Candidate], section: tuple[str, str | None]) -> str:
    """The answer to an ICE restart. `section` is kind and mid of the section that carries the transport."""
    kind, mid = section
    lines = [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{pwd}", "a=ice-options:trickle", f"m={kind} 9 UDP/TLS/RTP/SAVPF 0"]
    if mid is not None:
        lines.append(f"a=mid:{mid}")
    lines += [f"a={candidate.line()}" for candidate in candidates]
    return "\r\n".join([*lines, "a=end-of-candidates"]) + "\r\n"
