"""What becomes of a lobby's tracks when its request changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from steadycast.config.settings import LobbySettings
from steadycast.lobbies.choose import AUDIO, COPY, EXTRAS, MAIN
from steadycast.model import EncodePolicy, HardwareUse, Rendition


class Fate(StrEnum):
    """What is done about a track that is open."""

    STAYS = "stays"
    REOPENS = "reopens"  # another size, rate or way of encoding; viewers stay
    ENDS = "ends"  # it is gone, or of another codec: viewers choose again


@dataclass(frozen=True, slots=True)
class Becoming:
    """`encode` is what the track is from now on; None where that is a copy, sound, or nothing. `why` it ends."""

    fate: Fate
    encode: Rendition | None = None
    why: str | None = None


def becomes(track: str, encode: Rendition | None, before: LobbySettings, after: LobbySettings) -> Becoming:
    """Of the track `track`, open as `encode`. The source is judged elsewhere: what a new one sends is not known yet."""
    if track == AUDIO:
        return Becoming(Fate.STAYS)
    if encode is None:
        kept = not after.renditions or any(rendition.codec == COPY for rendition in after.renditions)
        return Becoming(Fate.STAYS) if kept else Becoming(Fate.ENDS, None, "it is not offered any more")
    offered = after.renditions or (MAIN, *EXTRAS)
    found = next((rendition for rendition in offered if rendition.name == track), None)
    if found is None:
        return Becoming(Fate.ENDS, None, "it is not offered any more")
    if found.codec != encode.codec:
        return Becoming(Fate.ENDS, None, f"it is {'a copy' if found.codec == COPY else found.codec.upper()} now")
    if found == encode and _placed_alike(before.encoders, after.encoders):
        return Becoming(Fate.STAYS, found)
    return Becoming(Fate.REOPENS, found)


def suits(policy: EncodePolicy, device: str, hardware: bool) -> bool:
    """Whether an encoding on this device is what the policy (filled in) asks for."""
    wrong = policy.hardware is (HardwareUse.FORBID if hardware else HardwareUse.REQUIRE)
    return not wrong and policy.device in (None, device)


def _placed_alike(before: EncodePolicy, after: EncodePolicy) -> bool:
    return (before.hardware, before.device) == (after.hardware, after.device)
