"""Messages of workers of any kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Raised whenever a message changes its meaning: a control plane adopts only workers of its own number.
PROTOCOL = 5

# --- both ways ---


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to a request that worked. `body` is what the request's text promises."""

    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer to a request that did not work: the fields of `SteadycastError`, and its class by name.

    `status` is the HTTP status of a `CallerError`.
    """

    error: str
    code: str
    what: str
    why: str | None = None
    hint: str | None = None
    retry_after: float | None = None
    status: int | None = None


# --- worker -> control plane, any kind ---


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of a worker on each connection: who it is. `start_time` is field 22 of /proc/self/stat (clock
    ticks); `protocol` the `PROTOCOL` that it speaks."""

    kind: str
    pid: int
    start_time: int
    token: str
    protocol: int = 0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sign of life, with the worker's own counters (frames sent, viewers, ...). Unix seconds.

    `allocated`: bytes of malloc `in_use` and `retained`, `blocks` of Python; without what cannot be told.
    """

    at: float
    statistics: dict[str, Any] = field(default_factory=dict)
    allocated: dict[str, int] = field(default_factory=dict)


# --- control plane -> worker, any kind ---


@dataclass(frozen=True, slots=True)
class End:
    """End cleanly and exit; not answered: the exit is the answer."""

    reason: str


@dataclass(frozen=True, slots=True)
class Settle:
    """A request: let go of all that nobody uses (Python's cycles, what malloc keeps).

    Answered with `{"before": ..., "after": ..., "collected": n, "trimmed": bool}`: both as `allocated` of a heartbeat.
    """


@dataclass(frozen=True, slots=True)
class TakeStock:
    """A request of a control plane that found this worker: what does it hold?

    Answered with `{"stock": ..., "more": n}`: a `LobbyStock`, `EgressStock` or `DisplayStock` by the kind of worker.
    Lists that do not fit into one answer go on where the next request says (`after` is what `more` said); `more` is
    None in the last answer.
    """

    after: int = 0
