"""Roles for the children of a server: one for each that lives long, one for all of a name that come and go. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from steadycast.tracking.families import Identity

PLACES = 8  # of one name, that are told apart
NAMES = 32  # of one server; the children of further names are one group
SHORT_S = 120.0  # a life that is no place in a server
_ENDED = 3  # lives that show it
_REST = "others"


@dataclass(frozen=True, slots=True)
class Seat:
    """The role of a process. `summed`: it shares the role with others of its name."""

    role: str
    summed: bool


@dataclass(slots=True)
class _Place:
    holder: Identity | None
    command: str


@dataclass(slots=True)
class _Name:
    places: list[_Place] = field(default_factory=list)
    living: dict[Identity, float] = field(default_factory=dict)  # since when
    lives: deque[float] = field(default_factory=lambda: deque(maxlen=8))
    summed: bool = False


class Slots:
    """Of one server. A process that is started again in place of one that ended gets its role: of two that are free,
    the one whose command line it has."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._names: dict[str, _Name] = {}

    def enter(self, identity: Identity, name: str, command: str, now: float) -> None:
        """A process began. `name` is empty for the server itself."""
        kind = self._names.setdefault(self._key(name), _Name())
        kind.living[identity] = now
        free = [place for place in kind.places if place.holder is None]
        place = next((one for one in free if one.command == command), free[0] if free else None)
        if place is not None:
            place.holder, place.command = identity, command
        elif len(kind.places) < PLACES:
            kind.places.append(_Place(identity, command))
        self._judge(kind, now)

    def leave(self, identity: Identity, name: str, now: float) -> None:
        """It ended."""
        kind = self._names.get(self._key(name))
        if kind is None or identity not in kind.living:
            return
        kind.lives.append(now - kind.living.pop(identity))
        for place in kind.places:
            if place.holder == identity:
                place.holder = None
        self._judge(kind, now)

    def seat(self, identity: Identity, name: str) -> Seat:
        """Its role now; it may change when others of its name come and go."""
        key = self._key(name)
        kind = self._names[key]
        base = f"{self._role}/{key}" if key else self._role
        if kind.summed:
            return Seat(base, True)
        number = next((n for n, place in enumerate(kind.places) if place.holder == identity), 0)
        return Seat(base if number == 0 else f"{base}#{number + 1}", False)

    def _key(self, name: str) -> str:
        return name if name in self._names or len(self._names) < NAMES else _REST

    def _judge(self, kind: _Name, now: float) -> None:
        """Summed where they are too many or live shortly; told apart again where all of them stay."""
        lives = sorted(kind.lives)
        is_short = len(lives) >= _ENDED and lives[len(lives) // 2] < SHORT_S
        seated = {place.holder for place in kind.places}
        if any(one not in seated for one in kind.living) or (is_short and not kind.summed):
            kind.summed = True
        elif kind.summed and kind.living and all(now - since > 10 * SHORT_S for since in kind.living.values()):
            kind.summed = False
            kind.lives.clear()
