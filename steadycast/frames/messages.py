"""What a producer and a lobby worker say to each other: one JSON object a datagram of a SOCK_SEQPACKET Unix socket.

A producer says `Come`, and gets `Welcome` with one descriptor for each slot: shared memory of `size` bytes. It writes a
picture into a slot that is its own, says `Frame`, and the slot is the host's until `Free` or `Refused`. Pure.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from steadycast.errors import CallerError

VERSION = 1
LONGEST = 4096  # bytes of a datagram
SLOTS_MAX = 16
TEXT_MAX = 600  # characters of one text
NUMBER_MAX = 2**62


@dataclass(frozen=True, slots=True)
class Come:
    """Producer to host: somebody who wants to send pictures."""

    version: int


@dataclass(frozen=True, slots=True)
class Frame:
    """Producer to host: a picture is in this slot. `pts` in nanoseconds of any clock; None: when it is shown.

    `size` in bytes and `stride` of the first plane, where they are told, must be those of `Welcome`. `dropped`:
    pictures that this producer threw away since it came, because no slot was free.
    """

    slot: int
    pts: int | None = None
    size: int | None = None
    stride: int | None = None
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Heir:
    """Lobby worker to lobby worker: the sender takes over, and listens at `path`. Answered with `Legacy`."""

    path: str


@dataclass(frozen=True, slots=True)
class Welcome:
    """Host to producer, with a descriptor for each of `slots`. `strides` of the planes, which follow each other."""

    version: int
    width: int
    height: int
    fps: int
    format: str
    size: int
    slots: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Free:
    """Host to producer: this slot is the producer's again."""

    slot: int


@dataclass(frozen=True, slots=True)
class Retire:
    """Host to producer: this slot is not used any more, the host is short of memory: unmap it."""

    slot: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Host to producer: a picture is not shown, and why. `slot` is the producer's again."""

    slot: int
    code: str
    what: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """Host to producer: another worker shows this lobby from now on, at `path`."""

    path: str


@dataclass(frozen=True, slots=True)
class Bye:
    """Host to producer, the last word: it is not taken, or not any more."""

    code: str
    what: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Legacy:
    """Lobby worker to its heir: with one descriptor where there is a picture to go on with."""

    size: int


Message = Come | Frame | Heir | Welcome | Free | Retire | Refused | Moved | Bye | Legacy
M = TypeVar("M")
TO_HOST = (Come, Frame, Heir)
TO_PRODUCER = (Welcome, Free, Retire, Refused, Moved, Bye)


def pack(message: Message) -> bytes:
    """One datagram."""
    told = {key: value for key, value in dataclasses.asdict(message).items() if value is not None}
    return json.dumps({"type": type(message).__name__.lower(), **told}, separators=(",", ":")).encode()


def unpack(data: bytes, kinds: tuple[type[Any], ...]) -> Any:
    """The message in a datagram, one of these kinds. Raises CallerError `push.message`."""
    if len(data) > LONGEST:
        raise _nonsense(f"it has more than {LONGEST} bytes")
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        raise _nonsense("it is no JSON") from None
    if not isinstance(told, dict):
        raise _nonsense("it is no JSON object")
    kind = next((kind for kind in kinds if kind.__name__.lower() == told.get("type")), None)
    if kind is None:
        raise _nonsense(f"its type is none of {', '.join(kind.__name__.lower() for kind in kinds)}")
    return _made(kind, told)


def _made(kind: type[Any], told: Mapping[str, Any]) -> Any:
    fields = {one.name: one for one in dataclasses.fields(kind)}
    if unknown := sorted(told.keys() - fields.keys() - {"type"}):
        raise _nonsense(f"{kind.__name__.lower()} has no {unknown[0][:40]!r}")
    values = {}
    for name, one in fields.items():
        if name in told:
            check, wanted = _CHECKS[str(one.type)]
            if not check(told[name]):
                raise _nonsense(f"{kind.__name__.lower()}.{name} must be {wanted}")
            values[name] = tuple(told[name]) if isinstance(told[name], list) else told[name]
        elif one.default is dataclasses.MISSING:
            raise _nonsense(f"{kind.__name__.lower()}.{name} is missing")
    return kind(**values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -NUMBER_MAX <= value <= NUMBER_MAX


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= TEXT_MAX


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= SLOTS_MAX and all(_is_number(one) for one in value)


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "int": (_is_number, "a whole number"),
    "int | None": (lambda value: value is None or _is_number(value), "a whole number"),
    "str": (_is_text, f"a text of at most {TEXT_MAX} characters"),
    "str | None": (lambda value: value is None or _is_text(value), f"a text of at most {TEXT_MAX} characters"),
    "tuple[int, ...]": (_are_numbers, f"a list of at most {SLOTS_MAX} whole numbers"),
}


def _nonsense(why: str) -> CallerError:
    hint = "docs/push.md has the messages; `steadycast.Push` speaks them."
    return CallerError("push.message", "The message cannot be read.", why=f"{why}.", hint=hint)
