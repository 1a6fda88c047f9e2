"""A row of the table of encoders, fitted to the element that is really there: what to set, and how to feed it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from steadycast.vendors.table import MemoryPath, Row, Setting, Try, works_on

BUFFER_MS = 400  # of the rate control: a keyframe takes at most this long on the wire at the bitrate
UNASKED_S = 1.0  # longest time between the keyframes of an encoder that makes none when it is asked
SYSTEM_MEMORY = "memory:SystemMemory"
_NUMBERS = ("int", "float")


@dataclass(frozen=True, slots=True)
class PropertyDescription:
    """A property of an element. `nicks` are an enum's or flags' values; `low` and `high` the range of a number.
    `live`: its flags say that it may change while PLAYING."""

    kind: Literal["int", "float", "bool", "enum", "flags", "string", "other"]
    nicks: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    writable: bool = True
    live: bool = False


@dataclass(frozen=True, slots=True)
class SinkDescription:
    """Raw video that an element takes: one caps feature (None: system memory) with its formats (empty: not told)."""

    feature: str | None = None
    formats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ElementDescription:
    """An element as GStreamer tells of it: without opening a device."""

    factory: str
    properties: Mapping[str, PropertyDescription] = field(default_factory=dict)
    sinks: tuple[SinkDescription, ...] = ()


class Elements(Protocol):
    """The elements of a GStreamer: the one in this process, or a recorded one."""

    def has(self, factory: str) -> bool:
        """Whether there is such an element."""

    def describe(self, factory: str) -> ElementDescription | None:
        """None where it cannot be made."""

    def names(self) -> tuple[str, ...]:
        """Of all elements, for telling the nearest one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an encoder is to make; `fps` is a number in any case. Kbit/s, frames."""

    width: int
    height: int
    fps: float
    bitrate_kbps: int
    keyframe_frames: int
    threads: int = 1
    references: int = 1
    low_latency: bool = True

    def quantities(self) -> dict[str, str]:
        """By the names that stand in the table, and in an operator's fragment."""
        numbers = {
            "bitrate_kbps": self.bitrate_kbps,
            "bitrate_bps": self.bitrate_kbps * 1000,
            "buffer_ms": BUFFER_MS,
            "buffer_kbit": self.bitrate_kbps * BUFFER_MS // 1000,
            "buffer_bytes": self.bitrate_kbps * BUFFER_MS // 8,
            "keyframe_frames": self.keyframe_frames,
            "unasked_frames": min(self.keyframe_frames, max(1, round(self.fps * UNASKED_S))),
            "keyframe_ns": round(self.keyframe_frames / self.fps * 1e9),
            "threads": self.threads,
            "references": self.references,
            "width": self.width,
            "height": self.height,
            "fps": round(self.fps),
        }
        return {name: str(number) for name, number in numbers.items()}


@dataclass(frozen=True, slots=True)
class FittedEncoder:
    """Properties as `gst-launch` spells them. `memory` is the caps feature at the encoder's input (None: system
    memory), `format` the raw format; `front` scales and converts, `behind` only moves memory. `live` are properties
    that may change while PLAYING. `notes` say what differs from the table, and why."""

    element: str
    properties: dict[str, str]
    memory: str | None
    format: str
    front: tuple[str, ...]
    behind: tuple[str, ...]
    live: tuple[str, ...]
    notes: tuple[str, ...]


def fit(
    row: Row, wanted: Wanted, found: ElementDescription, elements: Elements, options: Mapping[str, str] | None = None
) -> FittedEncoder:
    """Total: any description gives an encoder, with notes on what it does not have. `options` choose the device."""
    notes: list[str] = []
    properties: dict[str, str] = {}
    live: list[str] = []
    quantities = wanted.quantities()
    for setting in row.settings:
        if setting.latency and not wanted.low_latency:
            continue
        chosen = _choose(setting, quantities, found, notes)
        if chosen is not None:
            one, value = chosen
            properties[one.property] = value
            if one.live or found.properties[one.property].live:
                live.append(one.property)
    for name, value in (options or {}).items():
        _add_option(name, value, found, properties, notes)
    path, raw = choose_path(row.paths, found, elements, notes)
    node = works_on(row, found.factory)
    front, behind = (tuple(name.replace("{node}", node) for name in names) for names in (path.front, path.behind))
    return FittedEncoder(
        found.factory, properties, path.feature, raw, front, behind, tuple(live), tuple(dict.fromkeys(notes))
    )


def _choose(
    setting: Setting, quantities: Mapping[str, str], found: ElementDescription, notes: list[str]
) -> tuple[Try, str] | None:
    """The first way that this element has; None, and a note where it matters, if it has none."""
    refused: list[str] = []
    for one in setting.tries:
        described = found.properties.get(one.property)
        if described is None or not described.writable:
            continue
        for template in one.values:
            value = _fill(template, quantities)
            taken = _taken(one.property, value, described, notes)
            if taken is not None:
                return one, taken
            refused.append(f"{one.property}={value}")
    if refused:
        notes.append(f"{setting.want.value} is left as it is: {found.factory} does not take {' or '.join(refused)}")
    elif setting.needed:
        names = " or ".join(one.property for one in setting.tries)
        notes.append(f"{setting.want.value} is left as it is: {found.factory} has no property {names}")
    return None


def _fill(template: str, quantities: Mapping[str, str]) -> str:
    for name, value in quantities.items():
        template = template.replace(f"{{{name}}}", value)
    return template


def _taken(name: str, value: str, described: PropertyDescription, notes: list[str]) -> str | None:
    """The value as this property takes it; None where it does not. Numbers are brought into its range."""
    if described.kind == "enum":
        return value if value in described.nicks else None
    if described.kind == "flags":
        return value if not described.nicks or set(value.split("+")) <= set(described.nicks) else None
    if described.kind == "bool":
        return value if value in ("true", "false") else None
    if described.kind not in _NUMBERS:
        return value
    try:
        number = float(value)
    except ValueError:
        return None
    bounded = number
    if described.high is not None:
        bounded = min(bounded, described.high)
    if described.low is not None:
        bounded = max(bounded, described.low)
    if bounded == number:
        return value
    text = str(int(bounded)) if described.kind == "int" else f"{bounded:g}"
    notes.append(f"{name} is {text} instead of {value}: it goes no further")
    return text


def _add_option(name: str, value: str, found: ElementDescription, properties: dict[str, str], notes: list[str]) -> None:
    described = found.properties.get(name)
    if described is None:
        notes.append(f"the device is not set: {found.factory} has no property {name}")
    elif described.writable:  # else the element is that device's own and only tells it
        properties[name] = value


def choose_path(
    paths: tuple[MemoryPath, ...], found: ElementDescription, elements: Elements, notes: list[str]
) -> tuple[MemoryPath, str]:
    """How to feed it, and the raw format. The last path where none fits: then negotiation decides, and says why."""
    why: list[str] = []
    for path in paths:
        formats = _formats(path, found)
        if not formats:
            why.append(
                f"{found.factory} does not take {path.feature or 'system memory'} as {' or '.join(path.formats)}"
            )
        elif missing := [name for name in (*path.front, *path.behind) if "{" not in name and not elements.has(name)]:
            why.append(f"{path.feature or 'system memory'} needs {missing[0]}, which is not installed")
        else:
            if path is not paths[0]:
                notes.extend(why)
            return path, formats[0]
    notes.extend(why)
    return paths[-1], paths[-1].formats[0]


def _formats(path: MemoryPath, found: ElementDescription) -> tuple[str, ...]:
    """Formats of the path that the element takes in this memory."""
    here = [sink for sink in found.sinks if sink.feature == path.feature]
    return tuple(raw for raw in path.formats if any(not sink.formats or raw in sink.formats for sink in here))
