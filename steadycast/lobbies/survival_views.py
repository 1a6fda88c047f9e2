"""What is shown of surviving: what a host found when it started."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AdoptionView:
    """What this host went on with of a former one. `adopted` counts workers by kind (`lobby`, `display`, `egress`),
    spares included; `renditions` encoders; `ended` workers that were not gone on with; `swept` names what else was left
    and is gone. `at` is Unix seconds, `took_s` seconds from the first look until all was in place."""

    at: float
    adopted: dict[str, int]
    viewers: int
    renditions: int
    ended: int
    swept: tuple[str, ...]
    took_s: float
