"""What is set on an encoder that plays so that it makes another bitrate, as far as the table of encoders lets it. Pure.

What GStreamer itself says of a property is not asked: elements of NVENC call many of them changeable while playing, and
then close their session and open another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from steadycast.pipelines.parts import Part
from steadycast.pipelines.plan import RenditionPlan
from steadycast.vendors.table import Row, Try, Want

_KBPS_OF = {"{bitrate_kbps}": 1, "{bitrate_bps}": 1000}  # by what stands in the table: units of the property a kbit/s


@dataclass(frozen=True, slots=True)
class Retuning:
    """Properties to set, in this order: the bitrate is never above the highest bitrate. `told` is the property that
    tells the bitrate then, `units` how many of its units are a kbit/s; None where the element tells none."""

    properties: tuple[tuple[str, str], ...]
    told: str | None
    units: int = 1


def retuning(row: Row | None, before: RenditionPlan, after: RenditionPlan) -> Retuning | str:
    """From one plan to another on the same element; or why that takes another encoder, for a person."""
    if row is None:
        return "the table of encoders does not know the operator's own encoder"
    old, new = _encoder(before), _encoder(after)
    if old is None or new is None or old.factory != new.factory or _around(before) != _around(after):
        return "more than its bitrate would change"
    ways = _ways(row)
    changed = {name: value for name, value in new.properties.items() if old.properties.get(name) != value}
    properties = {name: value for name, value in changed.items() if name in ways and ways[name][1].live}
    # A buffer that is not live stays as large as it was, in bits: it bounds single frames, and is no part of the rate.
    fixed = [name for name in changed if name not in properties and ways[name][0] is not Want.BUFFER]
    if fixed:
        return f"{new.factory} takes another {', '.join(fixed)} only before it plays"
    told = _told(ways, new.properties)
    raised = before.work.bitrate_kbps < after.work.bitrate_kbps
    last = Want.BITRATE if raised else Want.MAX_BITRATE
    order = sorted(properties, key=lambda name: ways[name][0] is last)
    return Retuning(tuple((name, properties[name]) for name in order), *told)


def _ways(row: Row) -> dict[str, tuple[Want, Try]]:
    """What each property of a row is for; the first where one has two uses."""
    ways: dict[str, tuple[Want, Try]] = {}
    for setting in row.settings:
        for one in setting.tries:
            ways.setdefault(one.property, (setting.want, one))
    return ways


def _told(ways: Mapping[str, tuple[Want, Try]], properties: Mapping[str, str]) -> tuple[str | None, int]:
    for name in properties:
        want, one = ways.get(name, (None, None))
        if want is Want.BITRATE and one is not None and one.values[0] in _KBPS_OF:
            return name, _KBPS_OF[one.values[0]]
    return None, 1


def _encoder(plan: RenditionPlan) -> Part | None:
    return next((part for part in plan.chain if part.name == "encoder"), None)


def _around(plan: RenditionPlan) -> tuple[Part, ...]:
    return tuple(part for part in plan.chain if part.name != "encoder")
