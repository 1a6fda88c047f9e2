"""From a plan to elements: made, set up, put into a bin and linked."""

from __future__ import annotations

import itertools
from typing import Any

from steadycast.errors import EncoderError, WorkerError
from steadycast.model import EncoderFault
from steadycast.pipelines import av1
from steadycast.pipelines.gst import GLib, Gst, log
from steadycast.pipelines.parts import Chain, Part

# Elements of our own. They are made without a factory: GStreamer finds fault with those that a factory makes of Python.
_OURS = {av1.FACTORY: av1.Av1Payloader}


def make(part: Part) -> Any:
    """The element of a part; None where it is optional and not installed. Raises WorkerError."""
    if part.launch is not None:
        return _parse(part, part.launch)
    for factory in (part.factory, *part.instead):
        if factory in _OURS:
            ours = _OURS[factory]()
            ours.set_name(part.name)
            _set_properties(ours, part)
            return ours
        found = Gst.ElementFactory.find(factory)
        element = found.create(part.name) if found is not None else None
        if element is not None:  # a plugin may be installed and not load
            _set_properties(element, part)
            return element
    if part.optional:
        return None
    raise WorkerError(
        "gstreamer.element_missing",
        f"GStreamer's element {part.factory} is not installed",
        hint="run `steadycast doctor`, or install the GStreamer plugins (base, good, bad, ugly, libav)",
    )


def _parse(part: Part, launch: str) -> Any:
    """A bin with the pads `sink` and `src`. Raises EncoderError: only encoders are written by an operator."""
    try:
        made = Gst.parse_bin_from_description(launch, True)
    except GLib.Error as error:
        gone = error.matches(Gst.ParseError.quark(), Gst.ParseError.NO_SUCH_ELEMENT)
        fault = EncoderFault.MISSING if gone else EncoderFault.SETTINGS
        raise EncoderError(fault, "the encoder fragment cannot be built", why=error.message) from None
    if made.get_static_pad("sink") is None or made.get_static_pad("src") is None:
        raise EncoderError(
            EncoderFault.SETTINGS,
            "the encoder fragment has no way in or no way out",
            why="it must take raw video at its beginning and give encoded video at its end",
        )
    made.set_name(part.name)
    return made


def _set_properties(element: Any, part: Part) -> None:
    for name, value in part.properties.items():
        if element.find_property(name) is None:
            log.debug("%s of this GStreamer has no property %s", part.factory, name)
        elif name == "caps":
            element.set_property(name, Gst.Caps.from_string(value))
        else:
            Gst.util_set_object_arg(element, name, value)


def put(chain: Chain, into: Any) -> list[Any]:
    """Make the elements of a chain, put them into a bin and link them; the list is never empty."""
    elements = [element for part in chain if (element := make(part)) is not None]
    for element in elements:
        into.add(element)
    for before, after in itertools.pairwise(elements):
        link(before, after)
    return elements


def link(before: Any, after: Any) -> None:
    """Link two elements; raises WorkerError."""
    if not before.link(after):
        raise WorkerError("gstreamer.link", f"{before.get_name()} does not fit {after.get_name()}")


def link_pads(before: Any, after: Any) -> None:
    """Link two pads; raises WorkerError."""
    result = before.link_full(after, Gst.PadLinkCheck.DEFAULT)  # unlike `link`, it raises nothing in any version
    if result != Gst.PadLinkReturn.OK:
        why = f"{before.get_name()} to {after.get_parent().get_name()}: {result.value_nick}"
        raise WorkerError("gstreamer.link", "two parts of the pipeline do not fit", why=why)


def start(elements: list[Any]) -> None:
    """Bring elements to their parent's state, the last of a chain first, so that none is handed data too early."""
    for element in reversed(elements):
        element.sync_state_with_parent()


def ghost(name: str | None, pad: Any, of: Any) -> Any:
    """A pad of the bin `of` that stands for one of an element inside."""
    shown = Gst.GhostPad.new(name, pad)
    shown.set_active(True)
    of.add_pad(shown)
    return shown


def is_from(message: Any, element: Any) -> bool:
    """Whether a bus message comes from this element or something inside it."""
    source = message.src
    return bool(source is not None and (source == element or source.has_as_ancestor(element)))
