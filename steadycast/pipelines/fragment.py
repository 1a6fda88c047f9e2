"""An operator's own encoder, a piece of a pipeline as `gst-launch` takes it: filled in and looked at. Pure.

GStreamer would refuse the whole text with few words; here the wrong word is named, and the nearest right one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

from steadycast.errors import EncoderError
from steadycast.model import EncoderFault
from steadycast.pipelines.fit import ElementDescription, Elements

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")  # lists in caps are upper case or have commas: {NV12,I420}
_ASSIGNED = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)=(.*)", re.DOTALL)
_WORD = re.compile(r"""(?:[^\s"']|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')+""")
_OF_ALL = ("name", "qos")  # properties of every element and every encoder, which recorded ones do not tell
_ELEMENT = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def render(text: str, quantities: Mapping[str, str]) -> str:
    """The fragment with its placeholders filled in. Raises EncoderError."""
    for name in PLACEHOLDER.findall(text):
        if name not in quantities:
            raise _wrong(f"the encoder fragment has an unknown placeholder {{{name}}}", name, quantities)
    return PLACEHOLDER.sub(lambda found: quantities[found.group(1)], text)


def check(text: str, elements: Elements) -> None:
    """Raises EncoderError for a word that GStreamer would not take: an element, a property, or a property's value."""
    empty = True
    for words in _pieces(text):
        empty = False
        first = words[0].strip("\"'")
        if words[0][0] in "\"'":
            raise EncoderError(
                EncoderFault.SETTINGS,
                f"the encoder fragment has {words[0]} where an element or caps begin",
                why="quotes around them are for a shell, and there is none here",
                hint=f"write {first}",
            )
        if not _ELEMENT.fullmatch(first):  # caps, a pad of a named element, a bin
            continue
        described = _described(first, elements)
        for word in words[1:]:
            if described is not None and (assigned := _ASSIGNED.fullmatch(word.strip("\"'"))) is not None:
                _check_property(described, assigned.group(1), assigned.group(2).strip("\"'"))
    if empty:
        raise EncoderError(EncoderFault.SETTINGS, "the encoder fragment is empty")


def encoder_of(text: str) -> str:
    """The name of the element that encodes, as far as its name tells; else of the first."""
    names = [words[0] for words in _pieces(text) if _ELEMENT.fullmatch(words[0])]
    return next((name for name in names if "enc" in name), names[0] if names else "fragment")


def _pieces(text: str) -> Iterator[list[str]]:
    """The words between exclamation marks; never an empty list."""
    piece: list[str] = []
    for word in _words(text):
        if word != "!":
            piece.append(word)
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def _words(text: str) -> Iterator[str]:
    position = 0
    while (rest := text[position:].lstrip()) != "":
        position = len(text) - len(rest)
        found = _WORD.match(rest)
        if found is None or rest[found.end() : found.end() + 1] in ("'", '"'):
            raise EncoderError(EncoderFault.SETTINGS, "the encoder fragment has a quote that is not closed")
        yield found.group()
        position += found.end()


def _described(name: str, elements: Elements) -> ElementDescription | None:
    """None where it is there and cannot be looked at: whoever builds it will tell."""
    if not elements.has(name):
        raise _wrong(f"the encoder fragment has an unknown element '{name}'", name, elements.names())
    return elements.describe(name)


def _check_property(described: ElementDescription, name: str, value: str) -> None:
    if name in _OF_ALL:
        return
    found = described.properties.get(name)
    if found is None:
        raise _wrong(f"{described.factory} has no property '{name}'", name, described.properties)
    if not found.writable:
        raise EncoderError(EncoderFault.SETTINGS, f"the property {name} of {described.factory} cannot be set")
    numeric = value.lstrip("+-").isdigit()
    if (
        found.kind == "enum"
        and found.nicks
        and not numeric
        and value.lower() not in {nick.lower() for nick in found.nicks}
    ):
        raise _wrong(f"{described.factory} has no {name} '{value}'", value, found.nicks)
    if found.kind in ("int", "float") and _is_out_of_range(value, found.low, found.high):
        why = f"it goes from {found.low:g} to {found.high:g}"
        raise EncoderError(EncoderFault.SETTINGS, f"{described.factory} does not take {name}={value}", why=why)


def _is_out_of_range(value: str, low: float | None, high: float | None) -> bool:
    """Whether it is a number that does not fit; what is no number is left to GStreamer."""
    try:
        number = float(value)
    except ValueError:
        return False
    return low is not None and high is not None and not low <= number <= high


def _wrong(what: str, word: str, known: Iterable[str]) -> EncoderError:
    near = difflib.get_close_matches(word, list(known), 1, 0.4)
    return EncoderError(EncoderFault.SETTINGS, what, hint=f"did you mean {near[0]}?" if near else None)
