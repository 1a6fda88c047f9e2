"""Elements of the GStreamer in this process, described. Nothing is opened: an element is made, and stays in NULL."""

from __future__ import annotations

from typing import Any, Literal

from steadycast.pipelines.fit import SYSTEM_MEMORY, ElementDescription, PropertyDescription, SinkDescription
from steadycast.pipelines.gst import GObject, Gst

Kind = Literal["int", "float", "bool", "enum", "flags", "string", "other"]

_KINDS: dict[str, Kind] = {
    "gint": "int",
    "guint": "int",
    "gint64": "int",
    "guint64": "int",
    "glong": "int",
    "gulong": "int",
    "gfloat": "float",
    "gdouble": "float",
    "gboolean": "bool",
    "gchararray": "string",
    "GEnum": "enum",
    "GFlags": "flags",
}


class InstalledElements:
    """The elements here. `describe` loads an element's plugin, which for nvcodec opens sessions for a moment, and may
    hang where a driver does: call it from a thread with a deadline."""

    def __init__(self) -> None:
        self._described: dict[str, ElementDescription] = {}  # as many as plans name

    def has(self, factory: str) -> bool:
        return Gst.ElementFactory.find(factory) is not None

    def describe(self, factory: str) -> ElementDescription | None:
        """Not kept where it fails: the next try may find what this one misses."""
        if factory not in self._described:
            found = Gst.ElementFactory.find(factory)
            element = found.create(None) if found is not None else None
            if element is None:
                return None
            self._described[factory] = describe(factory, element)
        return self._described[factory]

    def names(self) -> tuple[str, ...]:
        every = Gst.ElementFactory.list_get_elements(Gst.ELEMENT_FACTORY_TYPE_ANY, Gst.Rank.NONE)
        return tuple(factory.get_name() for factory in every)


def describe(factory: str, element: Any) -> ElementDescription:
    """An element that was made, as its properties and the templates of its pads tell."""
    properties = {found.name: _property(element, found) for found in element.list_properties()}
    return ElementDescription(factory, properties, _sinks(element))


def _property(element: Any, found: Any) -> PropertyDescription:
    kind: Kind = _KINDS.get(found.value_type.fundamental.name, "other")
    low = high = None
    if kind in ("int", "float"):
        low, high = float(found.minimum), float(found.maximum)
    return PropertyDescription(
        kind,
        _nicks(kind, element, found),
        low,
        high,
        bool(found.flags & GObject.ParamFlags.WRITABLE),
        bool(found.flags & Gst.PARAM_MUTABLE_PLAYING),
    )


def _nicks(kind: str, element: Any, found: Any) -> tuple[str, ...]:
    """By the type of the value: newer bindings (3.50) do not tell it of the specification."""
    if kind not in ("enum", "flags") or not found.flags & GObject.ParamFlags.READABLE:
        return ()
    value = type(element.get_property(found.name))
    if kind == "enum":
        return tuple(one.value_nick for one in value.__enum_values__.values())
    return tuple(one.first_value_nick for one in value.__flags_values__.values())


def _sinks(element: Any) -> tuple[SinkDescription, ...]:
    """Of all sink pads: by template, as a device tells the formats of its own only when it is open."""
    found: list[SinkDescription] = []
    for template in element.get_pad_template_list():
        if template.direction != Gst.PadDirection.SINK:
            continue
        caps = template.get_caps()
        for number in range(caps.get_size()):
            structure = caps[number]  # to be read while the caps are held
            if structure.get_name() == "video/x-raw":
                found.append(SinkDescription(feature_of(caps, number), _formats(structure.get_value("format"))))
    return tuple(found)


def feature_of(caps: Any, number: int = 0) -> str | None:
    """The memory that caps name; None for system memory."""
    features = caps.get_features(number)
    every = [features.get_nth(one) for one in range(features.get_size())] if features is not None else []
    return next((one for one in every if one.startswith("memory:") and one != SYSTEM_MEMORY), None)


def _formats(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(one) for one in value)
