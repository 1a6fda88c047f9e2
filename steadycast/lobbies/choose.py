"""Which tracks a viewer gets. Pure.

The renditions that a lobby declares are the ones it has, first is best. Where it declares none the host offers `copy`
(what the source sends, if that is H.264 or H.265) and `main` (H.264). A viewer that does not ask for a rendition gets
a copy wherever it can take it, since that costs no encoder, else the first H.264 rendition.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from steadycast.egress.webrtc.profiles import browsers_play
from steadycast.errors import CallerError, NotFoundError
from steadycast.model import Codec, Protocol, Rendition, TrackInfo

COPY = "copy"
AUDIO = "audio"
MAIN = Rendition("main")
MADE = (Rendition(COPY, codec="copy"), MAIN)
# What a lobby that declares nothing has besides, for players that do not take H.264. The cheaper to make come first.
EXTRAS = (
    Rendition("main-vp8", codec="vp8"),
    Rendition("main-vp9", codec="vp9"),
    Rendition("main-h265", codec="h265"),
    Rendition("main-av1", codec="av1"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The rendition (by the name viewers see) and its track; `audio` and None for a viewer that wants no picture.

    `encode` is what the worker opens; None for a copy.
    """

    rendition: str
    track: str | None
    encode: Rendition | None
    audio: bool


def offered(declared: tuple[Rendition, ...], tracks: Mapping[str, TrackInfo]) -> tuple[Rendition, ...]:
    """The renditions of a lobby now: the declared ones, or those the host makes."""
    if declared:
        return declared
    return MADE if COPY in tracks else (MAIN,)


def shown(
    declared: tuple[Rendition, ...], tracks: Mapping[str, TrackInfo], is_open: Callable[[str], bool]
) -> tuple[Rendition, ...]:
    """The renditions to show: those offered, and the extras that somebody watches."""
    extras = () if declared else tuple(extra for extra in EXTRAS if is_open(extra.name))
    return (*offered(declared, tracks), *extras)


def choose(
    protocol: Protocol,
    codecs: Collection[Codec] | None,
    asked: str | None,
    declared: tuple[Rendition, ...],
    tracks: Mapping[str, TrackInfo],
) -> Choice:
    """The first of `choices`."""
    return choices(protocol, codecs, asked, declared, tracks)[0]


def choices(
    protocol: Protocol,
    codecs: Collection[Codec] | None,
    asked: str | None,
    declared: tuple[Rendition, ...],
    tracks: Mapping[str, TrackInfo],
) -> tuple[Choice, ...]:
    """The tracks for a viewer that takes `codecs` (None: it takes what it is told of, as RTSP players do): the best
    first, and those that do where nothing here encodes it. Never empty.

    Raises NotFoundError `rendition.unknown`, CallerError 406 `codec.none`.
    """
    renditions = offered(declared, tracks)
    if asked is not None:
        known = renditions if declared else (*renditions, *EXTRAS)
        renditions = tuple(rendition for rendition in known if rendition.name == asked)
        if not renditions:
            names = ", ".join(rendition.name for rendition in offered(declared, tracks))
            raise NotFoundError(
                "rendition.unknown", f"This lobby has no rendition {asked!r}.", hint=f"It has: {names}."
            )
    if codecs is not None and asked is None and set(codecs) == {Codec.OPUS} and AUDIO in tracks:
        return (Choice(AUDIO, None, None, True),)
    if asked is None and not declared:
        renditions = (*renditions, *EXTRAS)
    wanted = [r for r in renditions if r.codec == "copy"] + [r for r in renditions if r.codec != "copy"]
    found: list[Choice] = []
    for rendition in wanted:
        if rendition.codec == "copy":
            if takes(protocol, codecs, tracks.get(COPY)):
                found.append(Choice(rendition.name, COPY, None, _audio(codecs, tracks)))
        elif codecs is None or Codec(rendition.codec) in codecs:
            found.append(Choice(rendition.name, rendition.name, rendition, _audio(codecs, tracks)))
    if not found:
        raise _none(codecs, renditions, tracks)
    return tuple(found)


def takes(protocol: Protocol, codecs: Collection[Codec] | None, track: TrackInfo | None) -> bool:
    """Whether a viewer can take what the source sends. Browsers show no reordered frames (B-frames): they must be known
    to be absent; and no profile with more than 8 bits or finer colour than 4:2:0."""
    if track is None or track.codec not in (Codec.H264, Codec.H265):
        return False
    if codecs is not None and track.codec not in codecs:
        return False
    return protocol is not Protocol.WHEP or (track.reorders is False and browsers_play(track))


def _audio(codecs: Collection[Codec] | None, tracks: Mapping[str, TrackInfo]) -> bool:
    return AUDIO in tracks and (codecs is None or Codec.OPUS in codecs)


def _none(
    codecs: Collection[Codec] | None, renditions: tuple[Rendition, ...], tracks: Mapping[str, TrackInfo]
) -> CallerError:
    if codecs is not None and set(codecs) == {Codec.OPUS}:
        return CallerError(
            "codec.none",
            "This lobby has no sound.",
            why="The player asked for sound only.",
            hint="Offer to receive video, too.",
            status=406,
        )
    only_copy = all(rendition.codec == "copy" for rendition in renditions)
    source = tracks.get(COPY)
    made = sorted({rendition.codec for rendition in renditions if rendition.codec != "copy"})
    if only_copy and source is None:
        why = "The source sends no H.264 or H.265 that could be passed on, and no other rendition is there."
    elif only_copy and source is not None:
        why = f"The source sends {_described(source)}, which this player does not take."
    else:
        why = f"It can be had as {', '.join(map(_named, made))}, and the player offered none of these."
    return CallerError(
        "codec.none",
        "There is no rendition that this player can show.",
        why=why,
        hint="Declare a rendition of a codec that it takes, or none at all: then the host makes what is asked.",
        status=406,
    )


def _named(codec: str) -> str:
    return {"h264": "H.264 (packetization mode 1)", "h265": "H.265"}.get(codec, codec.upper())


def _described(source: TrackInfo) -> str:
    """The encoding with what may keep a player from taking it."""
    name = source.codec.value.upper()
    if source.reorders:
        return f"{name} with reordered frames"
    return name if browsers_play(source) else f"{name} in a profile that browsers do not play"
