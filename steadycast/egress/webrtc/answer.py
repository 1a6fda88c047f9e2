"""Decides what is sent in which section of an offer, and writes the answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steadycast.egress.webrtc.candidate import Candidate
from steadycast.egress.webrtc.profiles import best_codec
from steadycast.egress.webrtc.sdp import (
    SPOKEN,
    TRANSPORT_NUMBERS,
    Offer,
    OfferedCodec,
    OfferedMedia,
    Transport,
    no_codec,
)
from steadycast.egress.webrtc.sdp_text import malformed
from steadycast.model import Codec, TrackInfo, TrackKind

# Feedback that is answered: resends, key units on loss of picture, key units on request (RFC 4585, RFC 5104).
_VIDEO_FEEDBACK = ("nack", "nack pli", "ccm fir")
# How a viewer tells what the way to it carries: when each packet came, or else its own guess.
_TELLS_ARRIVALS, _TELLS_BOUND = "transport-cc", "goog-remb"

STREAM_ID = "steadycast"  # one stream for picture and sound, so that players keep them in step


@dataclass(frozen=True, slots=True)
class Choice:
    """A track that is sent in a section, as this payload type."""

    track: str
    info: TrackInfo
    codec: OfferedCodec
    transport_numbers: int | None = None  # id of the header extension; None: this viewer tells no arrivals


@dataclass(frozen=True, slots=True)
class Plan:
    """What an offer gets: choices by index of the section, and the transport that all of them share."""

    offer: Offer
    choices: Mapping[int, Choice]
    transport: Transport
    active: bool  # we begin the DTLS handshake


@dataclass(frozen=True, slots=True)
class LocalSide:
    """Our part of a transport. `ssrcs` by track."""

    session_id: int
    ufrag: str
    pwd: str
    fingerprint: str  # SHA-256, upper-case hex with colons
    cname: str
    ssrcs: Mapping[str, int]
    candidates: Sequence[Candidate]


def plan_answer(offer: Offer, tracks: Mapping[str, TrackInfo]) -> Plan:
    """Choose a section and a payload type for each track. Raises CallerError `sdp.no_codec` (406), `sdp.malformed`."""
    choices: dict[int, Choice] = {}
    for kind in (TrackKind.VIDEO, TrackKind.AUDIO):
        found = _choose(offer, kind, tracks, choices)
        if found is not None:
            choices[found[0]] = found[1]
    if not choices:
        raise no_codec(offer, " or ".join(sorted({_spoken(info) for info in tracks.values()})) or "a lobby with media")
    transport = offer.media[min(choices)].transport
    if transport is None:
        raise malformed("A section to send in has no transport.")
    if transport.setup not in ("actpass", "active", "passive"):
        raise malformed(f"a=setup:{transport.setup[:20]} cannot be answered.")
    return Plan(offer, choices, transport, active=transport.setup == "passive")


def _spoken(info: TrackInfo) -> str:
    return SPOKEN[info.codec]


def _choose(
    offer: Offer, kind: TrackKind, tracks: Mapping[str, TrackInfo], taken: Mapping[int, Choice]
) -> tuple[int, Choice] | None:
    for key, info in tracks.items():
        if info.kind is not kind:
            continue
        for index, media in enumerate(offer.media):
            if index in taken or media.kind != kind or not media.usable or not _shares(offer, media, taken):
                continue
            used = {choice.codec.payload_type for choice in taken.values()}
            codec = best_codec(info, (codec for codec in media.codecs if codec.payload_type not in used))
            if codec is not None:
                told = kind is TrackKind.VIDEO and _TELLS_ARRIVALS in codec.feedback
                return index, Choice(key, info, codec, media.transport_numbers if told else None)
    return None


def _shares(offer: Offer, media: OfferedMedia, taken: Mapping[int, Choice]) -> bool:
    """Whether a section can use the transport of the ones taken: there is one transport for a viewer."""
    return all(media.mid in offer.bundle and offer.media[index].mid in offer.bundle for index in taken)


def write_answer(plan: Plan, local: LocalSide) -> str:
    """The answer's SDP (RFC 8829 section 5.3), with all candidates."""
    sections, bundled = [], []
    carrier = min(plan.choices)
    for index, media in enumerate(plan.offer.media):
        choice = plan.choices.get(index)
        accepted = choice is not None or _idles(plan, media)
        if not accepted:
            sections.append(_rejected(media))
            continue
        if media.mid is not None and media.mid in plan.offer.bundle:
            bundled.append(media.mid)
        candidates = local.candidates if index == carrier else ()
        sections.append([*_accepted(media, plan, local, choice), *_candidates(candidates)])
    head = ["v=0", f"o=- {local.session_id} 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    if bundled:
        first = plan.offer.media[carrier].mid
        head.append("a=group:BUNDLE " + " ".join(sorted(bundled, key=lambda mid: mid != first)))
    head += ["a=ice-options:trickle", f"a=msid-semantic: WMS {STREAM_ID}"]
    return "\r\n".join([*head, *(line for section in sections for line in section)]) + "\r\n"


def _idles(plan: Plan, media: OfferedMedia) -> bool:
    """Whether a section that nothing is sent in stays open: it shares our transport and has a codec we know."""
    known = any(codec.codec is not None for codec in media.codecs)
    return known and not media.rejected and media.rtcp_mux and _shares(plan.offer, media, plan.choices)


def _rejected(media: OfferedMedia) -> list[str]:
    lines = [f"m={media.kind} 0 {media.protocol} {media.formats[0]}", "c=IN IP4 0.0.0.0"]
    return [*lines, f"a=mid:{media.mid}", "a=inactive"] if media.mid is not None else [*lines, "a=inactive"]


def _accepted(media: OfferedMedia, plan: Plan, local: LocalSide, choice: Choice | None) -> list[str]:
    codec = choice.codec if choice is not None else next(codec for codec in media.codecs if codec.codec is not None)
    lines = [
        f"m={media.kind} 9 {media.protocol} {codec.payload_type}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        f"a=setup:{'active' if plan.active else 'passive'}",
    ]
    if media.mid is not None:
        lines.append(f"a=mid:{media.mid}")
    lines += ["a=sendonly" if choice is not None else "a=inactive", "a=rtcp-mux"]
    if media.rtcp_rsize:
        lines.append("a=rtcp-rsize")
    lines += _codec_lines(codec, choice)
    if choice is not None and choice.transport_numbers is not None:
        lines.append(f"a=extmap:{choice.transport_numbers} {TRANSPORT_NUMBERS}")
    if choice is not None:
        ssrc = local.ssrcs[choice.track]
        lines += [f"a=msid:{STREAM_ID} {media.kind}", f"a=ssrc:{ssrc} cname:{local.cname}"]
        lines.append(f"a=ssrc:{ssrc} msid:{STREAM_ID} {media.kind}")
    return lines


def _codec_lines(codec: OfferedCodec, choice: Choice | None) -> list[str]:
    number = codec.payload_type
    channels = f"/{codec.channels}" if codec.channels is not None else ""
    lines = [f"a=rtpmap:{number} {codec.encoding}/{codec.clock_rate}{channels}"]
    parameters = dict(codec.fmtp)
    if choice is not None and choice.info.codec is Codec.OPUS and choice.info.channels == 2:
        parameters |= {"stereo": "1", "sprop-stereo": "1"}
    if parameters:
        pairs = (f"{name}={value}" if value else name for name, value in parameters.items())
        lines.append(f"a=fmtp:{number} " + ";".join(pairs))
    if codec.codec is not None and codec.codec is not Codec.OPUS:
        tells = _TELLS_BOUND if choice is None or choice.transport_numbers is None else _TELLS_ARRIVALS
        lines += [f"a=rtcp-fb:{number} {wanted}" for wanted in (*_VIDEO_FEEDBACK, tells) if wanted in codec.feedback]
    return lines


def _candidates(candidates: Sequence[Candidate]) -> list[str]:
    if not candidates:
        return []
    return [*(f"a={candidate.line()}" for candidate in candidates), "a=end-of-candidates"]
