"""Which display and lobby workers go on for which lobby, and why the others end. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steadycast.model import DesktopSource, Source
from steadycast.workers.messages.stock import DisplayStock, EgressStock, LobbyStock, Stock

UNWANTED = "no lobby wants it"
CHANGED = "its lobby was changed meanwhile"
SURPLUS = "another worker of its lobby goes on"
NO_DISPLAY = "its display is gone"
FAILED = "it failed while there was no control plane"
IDLE = "it shows nothing"


@dataclass(frozen=True, slots=True)
class Place:
    """A lobby that is to be there: what it shows, and the command of a desktop's program."""

    lobby: str
    source: Source
    command: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Kinds:
    """Stocks by worker, sorted by kind, each in the order of the workers' ids."""

    stages: Mapping[str, LobbyStock]
    displays: Mapping[str, DisplayStock]
    egresses: Mapping[str, EgressStock]


Pair = tuple[str | None, str | None]  # the display worker, and the lobby worker


def sort(found: Mapping[str, Stock]) -> Kinds:
    """By kind."""
    stages, displays, egresses = {}, {}, {}
    for id, stock in sorted(found.items()):
        match stock:
            case LobbyStock():
                stages[id] = stock
            case DisplayStock():
                displays[id] = stock
            case EgressStock():
                egresses[id] = stock
    return Kinds(stages, displays, egresses)


def place(places: Sequence[Place], kinds: Kinds) -> tuple[dict[str, Pair], dict[str, str]]:
    """For each lobby what it goes on with (None: to be started), and why workers end that no lobby goes on with."""
    pairs = {one.lobby: _pair(one, kinds) for one in places}
    used = {id for pair in pairs.values() for id in pair if id is not None}
    by_id = {one.lobby: one for one in places}
    ended: dict[str, str] = {}
    for id, display in kinds.displays.items():
        if id not in used:
            ended[id] = _why_display(display, by_id)
    for id, stage in kinds.stages.items():
        if id not in used and stage.order is not None:
            ended[id] = _why_stage(stage, by_id, pairs)
    return pairs, ended


def rank(stock: LobbyStock) -> tuple[bool, int, int]:
    """The one that shows is best; of those the one that most read, of those the one that encodes most."""
    readers = [one.readers for one in stock.instances] + list((stock.readers or {}).values())
    return stock.ready is not None, sum(map(len, readers)), len(stock.instances)


def _pair(one: Place, kinds: Kinds) -> Pair:
    stages = {id: stock for id, stock in kinds.stages.items() if _fits_stage(one, stock)}
    if not isinstance(one.source, DesktopSource):
        return None, max(stages, key=lambda id: (rank(stages[id]), id), default=None)
    best: tuple[tuple[tuple[bool, int, int], float, str], Pair] | None = None
    for id, display in kinds.displays.items():
        if not _fits_display(one, display):
            continue
        before = [name for name, stock in stages.items() if _captures(stock, display)]
        stage = max(before, key=lambda name: (rank(stages[name]), name), default=None)
        value = (rank(stages[stage]) if stage is not None else (False, -1, -1)), display.shown_s, id
        if best is None or value > best[0]:
            best = value, (id, stage)
    return (None, None) if best is None else best[1]


def _fits_stage(one: Place, stock: LobbyStock) -> bool:
    order = stock.order
    return order is not None and order.lobby == one.lobby and order.source == one.source and stock.failed is None


def _fits_display(one: Place, stock: DisplayStock) -> bool:
    order = stock.order
    if order is None or stock.display is None or stock.exited is not None or stock.failed is not None:
        return False
    assert isinstance(one.source, DesktopSource)
    size = one.source.width, one.source.height
    return order.lobby == one.lobby and order.command == one.command and (order.width, order.height) == size


def _captures(stock: LobbyStock, display: DisplayStock) -> bool:
    return stock.order is not None and (stock.order.display, stock.order.xauthority) == (
        display.display,
        display.xauthority,
    )


def _why_display(stock: DisplayStock, places: Mapping[str, Place]) -> str:
    if stock.order is None or stock.display is None:
        return IDLE
    one = places.get(stock.order.lobby)
    if one is None:
        return UNWANTED
    if stock.exited is not None or stock.failed is not None:
        return FAILED
    return SURPLUS if isinstance(one.source, DesktopSource) and _fits_display(one, stock) else CHANGED


def _why_stage(stock: LobbyStock, places: Mapping[str, Place], pairs: Mapping[str, Pair]) -> str:
    assert stock.order is not None
    one = places.get(stock.order.lobby)
    if one is None:
        return UNWANTED
    if stock.failed is not None:
        return FAILED
    if not _fits_stage(one, stock):
        return CHANGED
    return SURPLUS if pairs[one.lobby][1] is not None else NO_DISPLAY
