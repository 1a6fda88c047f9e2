"""The parts that encode a rendition: from the raw tee to what the payloader takes, for an ordered encoder. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from steadycast.errors import EncoderError
from steadycast.model import Codec, EncoderFault, EncoderOrder, Rendition
from steadycast.pipelines import fragment
from steadycast.pipelines.fit import Elements, FittedEncoder, Wanted, fit
from steadycast.pipelines.parts import Chain, Limits, Part, parse, raw_queue
from steadycast.pipelines.work import FPS_MAX, FPS_WHERE_UNKNOWN, Picture, Work, even, fraction, wanted, work
from steadycast.vendors.table import ROWS, MemoryPath, Row, row

__all__ = [
    "FPS_MAX", "FPS_WHERE_UNKNOWN", "FRAGMENT", "Picture", "RenditionPlan", "Work", "even", "plan_rendition", "work",
]  # fmt: skip

FRAGMENT = "fragment"  # the entry of an operator's own encoder
_SOFTWARE_SCALER = ("videoscale", "videoconvert")


@dataclass(frozen=True, slots=True)
class RenditionPlan:
    """An encoding that is worked out. `memory` is the caps feature planned at the encoder's input (None: system
    memory), `element` the encoder's name, `notes` what differs from the table of encoders and why."""

    name: str
    codec: Codec
    work: Work
    wanted: Wanted
    element: str
    memory: str | None
    notes: tuple[str, ...]
    chain: Chain

    def shown(self) -> Picture:
        """What a viewer of it sees."""
        return Picture(self.work.width, self.work.height, self.work.fps)


def plan_rendition(
    rendition: Rendition, picture: Picture, limits: Limits, order: EncoderOrder, elements: Elements
) -> RenditionPlan:
    """Work out a rendition of this picture on the ordered encoder.

    Raises CallerError where nobody tells a size, and EncoderError (`encoder.missing`, `encoder.settings`).
    """
    made = work(rendition, picture, limits)
    asked = wanted(rendition, made, limits)
    caps: str | None
    if order.entry == FRAGMENT:
        fitted, encoder = _fragment(order, asked, elements)
        caps, memory = None, fitted.memory
    else:
        found = _row(order)
        fitted = _fitted(found, order, asked, elements)
        encoder = Part(fitted.element, fitted.properties, "; ".join(fitted.notes), name="encoder")
        caps, memory = found.caps, found.pretends or fitted.memory
    chain = (*_feed(picture, made, fitted, order, elements), encoder, *_asked(caps), parse(order.codec))
    notes = (*fitted.notes, *_cut(rendition, asked, limits))
    return RenditionPlan(rendition.name, order.codec, made, asked, fitted.element, memory, notes, chain)


def _cut(rendition: Rendition, asked: Wanted, limits: Limits) -> Iterator[str]:
    if asked.references < (rendition.references or 1):
        fit = f"{asked.references} of {rendition.references} reference frames fit into {limits.reference_mb:g} MB"
        yield f"references: {fit} (encoders.reference_budget_mb)"


def _row(order: EncoderOrder) -> Row:
    found = row(order.entry)
    if found is None or found.codec is not order.codec:
        raise EncoderError(
            EncoderFault.SETTINGS, f"the table of encoders has no row '{order.entry}' for {order.codec.value}"
        )
    return found


def _fitted(found: Row, order: EncoderOrder, asked: Wanted, elements: Elements) -> FittedEncoder:
    for element in order.elements:
        described = elements.describe(element)
        if described is not None:
            return fit(found, asked, described, elements, order.options)
    names = " or ".join(order.elements) or "any element"
    if order.vendor == "software":  # no driver has a say in it
        what = f"there is no {names} here"
        raise EncoderError(
            EncoderFault.MISSING, what, why="its GStreamer plugin is not installed", hint="`steadycast doctor` says how"
        )
    raise EncoderError(
        EncoderFault.MISSING,
        f"there is no {names} in this process",
        why="its plugin is not installed, or the driver refused the session that the plugin tries when it is loaded",
        hint="`steadycast doctor` tells which; where other sessions are open, end one",
    )


def _fragment(order: EncoderOrder, asked: Wanted, elements: Elements) -> tuple[FittedEncoder, Part]:
    text = fragment.render(order.fragment or "", asked.quantities())
    fragment.check(text, elements)
    path = _path_to(order.memory, elements)
    raw = "{I420,NV12}" if path.feature is None else path.formats[0]
    name = fragment.encoder_of(text)
    fitted = FittedEncoder(name, {}, path.feature, raw, path.front, path.behind, (), ())
    return fitted, Part(name, why="the operator's own", name="encoder", launch=text)


def _path_to(memory: str | None, elements: Elements) -> MemoryPath:
    """A way into this memory. Raises EncoderError where there is none."""
    if memory is None:
        return MemoryPath(None, ("I420",), _SOFTWARE_SCALER)
    every = {path: None for one in ROWS for path in one.paths if path.feature == memory}
    named = [_first_device(path) for path in every]
    for path in named:
        if all(elements.has(name) for name in (*path.front, *path.behind)):
            return path
    if not named:
        known = sorted({path.feature for one in ROWS for path in one.paths if path.feature})
        why = f"only these are known: {', '.join(known)}"
    else:
        why = f"it needs {', '.join((*named[0].front, *named[0].behind))}, which are not all installed"
    raise EncoderError(EncoderFault.SETTINGS, f"nothing brings pictures into {memory} for the fragment", why=why)


def _first_device(path: MemoryPath) -> MemoryPath:
    front, behind = (tuple(name.replace("{node}", "") for name in names) for names in (path.front, path.behind))
    return MemoryPath(path.feature, path.formats, front, behind)


def _feed(
    picture: Picture, made: Work, fitted: FittedEncoder, order: EncoderOrder, elements: Elements
) -> Iterator[Part]:
    """From the raw tee to raw pictures as the encoder is to have them."""
    yield raw_queue()
    yield from _rate(picture, made)
    for name in fitted.front:
        yield Part(name, _converter(name, order, elements))
    feature = f"({fitted.memory})" if fitted.memory is not None and not fitted.behind else ""
    yield Part(
        "capsfilter",
        {
            "caps": f"video/x-raw{feature},format={fitted.format},width={made.width},height={made.height},"
            "pixel-aspect-ratio=1/1"
        },
        "4:2:0 with 8 bits is what browsers take",
    )
    for name in fitted.behind:
        yield Part(name, _converter(name, order, elements))


def _rate(picture: Picture, made: Work) -> Iterator[Part]:
    if made.fps is None or made.fps == picture.fps:
        return
    slower = picture.fps is not None
    yield Part(
        "videorate",
        {"skip-to-first": "true", **({"drop-only": "true"} if slower else {"max-duplication-time": "1000000000"})},
        "before scaling, so that dropped frames cost nothing; only drops where the source is faster. It "
        "must begin at the first frame it sees, or it owes all frames since the source began",
    )
    yield Part("capsfilter", {"caps": f"video/x-raw,framerate={fraction(made.fps)}"})


def _converter(name: str, order: EncoderOrder, elements: Elements) -> dict[str, str]:
    """Properties of an element that scales or converts; borders keep the picture's shape."""
    if name in _SOFTWARE_SCALER:
        return {"n-threads": "1", **({"add-borders": "true"} if name == "videoscale" else {})}
    described = elements.describe(name)
    properties = described.properties if described is not None else {}
    chosen = {"add-borders": "true"} if "add-borders" in properties else {}
    mine = {key: value for key, value in order.options.items() if key in properties and properties[key].writable}
    return {**chosen, **mine}


def _asked(caps: str | None) -> Iterator[Part]:
    if caps is not None:
        yield Part("capsfilter", {"caps": caps}, "what browsers decode")
