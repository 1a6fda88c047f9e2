"""What a lobby worker tells of an encoding that goes on. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.model import EncoderOrder, EncoderReport, Rendition, TrackInfo

Opened = tuple[TrackInfo, EncoderReport | None]


@dataclass(frozen=True, slots=True)
class Held:
    """An instance of a rendition as it is now. `order` and `report` are None for a copy."""

    rendition: Rendition
    instance: str
    order: EncoderOrder | None
    track: TrackInfo
    report: EncoderReport | None
    readers: tuple[str, ...]
    parked: bool = False
