"""Reads WebRTC offers: tolerant of what it does not know, strict about size, clear about what is wrong. Pure.

The control plane imports this too, to learn what a viewer can take before anything is opened for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from steadycast.egress.webrtc.candidate import Candidate, parse_candidate
from steadycast.egress.webrtc.sdp_text import Attributes, malformed, read_lines, split_sections
from steadycast.errors import CallerError
from steadycast.model import Codec

MOST_SECTIONS = 32
MOST_CODECS = 128  # payload types of one section; there are only 128 (RFC 3551)
MOST_CANDIDATES = 32
MOST_FINGERPRINTS = 8

# As people name them, with what an offer must say.
SPOKEN = {
    Codec.H264: "H.264 (packetization-mode 1)",
    Codec.H265: "H.265",
    Codec.AV1: "AV1",
    Codec.VP8: "VP8",
    Codec.VP9: "VP9 (profile 0)",
    Codec.OPUS: "Opus",
}
PLAYABLE = f"{', '.join(text for codec, text in SPOKEN.items() if codec is not Codec.OPUS)} or Opus"

# The extension that numbers packets for transport-wide feedback, and the most that an id in the short form may be.
TRANSPORT_NUMBERS = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
_MOST_EXTENSION = 14  # RFC 8285 4.2

_DIRECTIONS = ("sendrecv", "recvonly", "sendonly", "inactive")
_HASHES = ("sha-256", "sha-384", "sha-512")
_ENCODINGS = {codec.name: codec for codec in Codec}  # the names that RTP's formats registered


@dataclass(frozen=True, slots=True)
class OfferedCodec:
    """A payload type of an offer. `codec` is None for one that this host never sends."""

    payload_type: int
    encoding: str
    clock_rate: int
    channels: int | None
    codec: Codec | None
    fmtp: dict[str, str] = field(default_factory=dict)
    feedback: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Transport:
    """What a section says about its ICE and DTLS. `fingerprints` are pairs of hash name and upper-case hex."""

    ufrag: str
    pwd: str
    setup: str
    fingerprints: tuple[tuple[str, str], ...]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class OfferedMedia:
    """One m-section, in the order of the offer. `receives` says whether the other side wants to be sent media."""

    kind: str
    protocol: str
    formats: tuple[str, ...]
    mid: str | None
    receives: bool
    rejected: bool
    rtcp_mux: bool
    rtcp_rsize: bool
    codecs: tuple[OfferedCodec, ...]
    transport: Transport | None
    transport_numbers: int | None = None  # id of the extension `TRANSPORT_NUMBERS`

    @property
    def usable(self) -> bool:
        """Whether media could be sent in this section at all."""
        return not self.rejected and self.receives and self.transport is not None and self.rtcp_mux

    def playable(self) -> frozenset[Codec]:
        """The codecs that could be sent in this section."""
        if not self.usable:
            return frozenset()
        return frozenset(codec.codec for codec in self.codecs if codec.codec is not None)


@dataclass(frozen=True, slots=True)
class Offer:
    """A whole offer. `bundle` are the mids that share a transport (RFC 9143)."""

    media: tuple[OfferedMedia, ...]
    bundle: tuple[str, ...]

    @property
    def codecs(self) -> frozenset[Codec]:
        """What this viewer wants to be sent and could play."""
        return frozenset().union(*(media.playable() for media in self.media))


def offered_codecs(sdp: str | bytes) -> Offer:
    """Read an offer.

    Raises CallerError `sdp.empty`, `sdp.too_large`, `sdp.binary`, `sdp.malformed`, `sdp.no_media`, `sdp.no_codec`.
    """
    sections = split_sections(read_lines(sdp))
    session, described = sections[0], sections[1:]
    if not described:
        raise CallerError(
            "sdp.no_media",
            "The offer asks for no media.",
            why="There is no m= line in it.",
            hint="Add a receiving video or audio transceiver before the offer is made.",
        )
    if len(described) > MOST_SECTIONS:
        raise malformed(f"It has {len(described)} m= lines; at most {MOST_SECTIONS} are read.")
    common = Attributes(session)
    bundle = _bundle(common)
    offer = Offer(_share_transport([_media(lines, common) for lines in described], bundle), bundle)
    if not offer.codecs:
        raise _why_nothing(offer)
    return offer


def _why_nothing(offer: Offer) -> CallerError:
    if any(media.codecs and media.receives and media.transport is None for media in offer.media):
        return malformed("It has no a=ice-ufrag, a=ice-pwd or a=fingerprint (sha-256, sha-384 or sha-512) of use.")
    return no_codec(offer)


def no_codec(offer: Offer, possible: str = PLAYABLE) -> CallerError:
    """The refusal (406) for an offer in which nothing can be sent."""
    names = sorted({codec.encoding for media in offer.media for codec in media.codecs})[:12]
    unmuxed = any(media.receives and not media.rtcp_mux and media.codecs for media in offer.media)
    why = f"It offers {', '.join(names)}." if names else "It offers no audio or video."
    if unmuxed:
        why += " A section has no a=rtcp-mux."
    return CallerError(
        "sdp.no_codec",
        "Nothing that the offer takes can be sent.",
        why=why,
        hint=f"Offer to receive {possible}.",
        status=406,
    )


def _bundle(session: Attributes) -> tuple[str, ...]:
    for value in session.all("group"):
        words = value.split()
        if words and words[0] == "BUNDLE":
            return tuple(words[1 : MOST_SECTIONS + 1])
    return ()


def _share_transport(media: list[OfferedMedia], bundle: tuple[str, ...]) -> tuple[OfferedMedia, ...]:
    """Bundled sections may leave their transport to the first of the bundle (RFC 9143 section 7.1)."""
    described = {item.mid: item.transport for item in media if item.mid in bundle}
    shared = next((described[mid] for mid in bundle if described.get(mid) is not None), None)
    return tuple(
        replace(item, transport=shared) if item.transport is None and item.codecs and item.mid in bundle else item
        for item in media
    )


def _media(lines: list[str], session: Attributes) -> OfferedMedia:
    words = lines[0][2:].split()
    if len(words) < 4 or not words[1].partition("/")[0].isdigit():
        raise malformed(f"An m= line cannot be read: {lines[0][:60]!r}.")
    own = Attributes(lines)
    kind, protocol, formats = words[0], words[2], tuple(words[3 : 3 + MOST_CODECS])
    spoken = kind in ("audio", "video") and protocol in ("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP")
    direction = next((d for d in _DIRECTIONS if d in own), next((d for d in _DIRECTIONS if d in session), "sendrecv"))
    return OfferedMedia(
        kind=kind,
        protocol=protocol,
        formats=formats,
        mid=own.first("mid"),
        receives=direction in ("sendrecv", "recvonly"),
        rejected=words[1].partition("/")[0].strip("0") == "" and "bundle-only" not in own,
        rtcp_mux="rtcp-mux" in own or "rtcp-mux-only" in own,
        rtcp_rsize="rtcp-rsize" in own,
        codecs=_codecs(kind, formats, own) if spoken else (),
        transport=_transport(own, session) if spoken else None,
        transport_numbers=_extension(own, TRANSPORT_NUMBERS),
    )


def _extension(own: Attributes, uri: str) -> int | None:
    """The id of a header extension; None where it is not offered, or only in the long form."""
    for number, rest in _numbered(own.all("extmap")):
        known = number.partition("/")[0]
        if rest.split(" ")[0] == uri and known.isascii() and known.isdigit() and len(known) <= 2:
            return int(known) if 1 <= int(known) <= _MOST_EXTENSION else None
    return None


def _codecs(kind: str, formats: tuple[str, ...], own: Attributes) -> tuple[OfferedCodec, ...]:
    maps = dict(_numbered(own.all("rtpmap")))
    fmtp = dict(_numbered(own.all("fmtp")))
    feedback: dict[str, set[str]] = {}
    for number, value in _numbered(own.all("rtcp-fb")):
        feedback.setdefault(number, set()).add(value)
    codecs = []
    for number in dict.fromkeys(formats):
        if not (number.isascii() and number.isdigit() and len(number) <= 3 and int(number) < 128) or number not in maps:
            continue
        encoding, clock_rate, channels = _rtpmap(maps[number])
        parameters = _parameters(fmtp.get(number, ""))
        codec = _known(kind, encoding, clock_rate, parameters)
        wanted = frozenset(feedback.get(number, set()) | feedback.get("*", set()))
        codecs.append(OfferedCodec(int(number), encoding, clock_rate, channels, codec, parameters, wanted))
    return tuple(codecs)


def _numbered(values: list[str]) -> list[tuple[str, str]]:
    pairs = [value.partition(" ") for value in values]
    return [(number, rest.strip()) for number, _, rest in pairs]


def _rtpmap(value: str) -> tuple[str, int, int | None]:
    parts = [*value.split("/"), "", ""]
    clock_rate = int(parts[1]) if parts[1].isascii() and parts[1].isdigit() and len(parts[1]) < 10 else 0
    channels = int(parts[2]) if parts[2].isascii() and parts[2].isdigit() and len(parts[2]) < 4 else None
    return parts[0][:40], clock_rate, channels


def _parameters(value: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in value.split(";") if part.strip()]
    return {name.strip().lower(): item.strip() for name, _, item in pairs[:64]}


def _known(kind: str, encoding: str, clock_rate: int, parameters: dict[str, str]) -> Codec | None:
    codec = _ENCODINGS.get(encoding.upper())
    if codec is Codec.OPUS:
        return codec if kind == "audio" and clock_rate == 48_000 else None
    if kind != "video" or clock_rate != 90_000:
        return None
    # Pictures are sent in fragments (FU-A), which only packetization-mode 1 takes (RFC 6184 section 6.3).
    if codec is Codec.H264 and parameters.get("packetization-mode") != "1":
        return None
    # 8 bits and 4:2:0 are sent: profile 0 of VP9 (RFC 9628 section 6) and of AV1 (its RTP format, section 7.2.1).
    if codec is Codec.VP9 and parameters.get("profile-id", "0") != "0":
        return None
    if codec is Codec.AV1 and parameters.get("profile", "0") != "0":
        return None
    return codec


def _transport(own: Attributes, session: Attributes) -> Transport | None:
    ufrag = own.first("ice-ufrag") or session.first("ice-ufrag")
    pwd = own.first("ice-pwd") or session.first("ice-pwd")
    fingerprints = _fingerprints(own.all("fingerprint") or session.all("fingerprint"))
    # Lengths of RFC 8839 section 5.4.
    if ufrag is None or pwd is None or not fingerprints or not 4 <= len(ufrag) <= 256 or not 22 <= len(pwd) <= 256:
        return None
    if not (ufrag.isascii() and pwd.isascii()):
        return None
    candidates = [parse_candidate(value) for value in own.all("candidate")[:MOST_CANDIDATES]]
    return Transport(
        ufrag=ufrag,
        pwd=pwd,
        setup=own.first("setup") or session.first("setup") or "actpass",
        fingerprints=fingerprints,
        candidates=tuple(candidate for candidate in candidates if candidate is not None),
    )


def _fingerprints(values: list[str]) -> tuple[tuple[str, str], ...]:
    pairs = [value.split() for value in values[:MOST_FINGERPRINTS]]
    return tuple((pair[0].lower(), pair[1].upper()) for pair in pairs if len(pair) == 2 and pair[0].lower() in _HASHES)
