"""What the host knows of its own processes, told to those who look at them from outside. Pure, but for one lock."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from steadycast.lobbies.holding import Held
from steadycast.model import Measured, Resource, WorkerKind
from steadycast.tracking.probes.targets import Target, Told

_ALLOCATED = {"in_use": Resource.IN_USE, "retained": Resource.RETAINED, "blocks": Resource.PYTHON}
MOST = 4096  # lives whose counts are remembered; those not seen for longest go


@dataclass(slots=True)
class _Tally:
    """`before` was counted by former control planes, `last` is what this one said last."""

    before: int = 0
    last: int = 0


@dataclass(slots=True)
class Tallies:
    """What came and went in each life of a worker, also where another control plane counted some of it.

    A control plane that takes over a worker begins at nothing; a count that falls is one that began again.
    """

    _lives: dict[str, dict[str, _Tally]] = field(default_factory=dict)

    def of(self, life: str, finished: Mapping[str, int]) -> dict[str, int]:
        """Totals of this life, given what the control plane of now counted."""
        kinds = self._lives[life] = self._lives.pop(life, {})
        for kind, count in finished.items():
            tally = kinds.setdefault(kind, _Tally())
            if count < tally.last:
                tally.before += tally.last
            tally.last = count
        while len(self._lives) > MOST:
            del self._lives[next(iter(self._lives))]
        return {kind: tally.before + tally.last for kind, tally in kinds.items()}

    def saved(self) -> dict[str, dict[str, int]]:
        """For a file; `restored` takes it."""
        return {
            life: {kind: one.before + one.last for kind, one in kinds.items()} for life, kinds in self._lives.items()
        }

    @staticmethod
    def restored(saved: Mapping[str, Any]) -> Tallies:
        """Whatever is not as it was saved is left out."""
        tallies = Tallies()
        for life, kinds in list(saved.items())[-MOST:]:
            if isinstance(kinds, dict):
                known = {kind: _Tally(0, count) for kind, count in kinds.items() if isinstance(count, int)}
                tallies._lives[str(life)] = known
        return tallies


class Board:
    """What was last said of each process. Written on the event loop, read by the sampler's thread."""

    def __init__(self, tallies: Tallies) -> None:
        self._lock = threading.Lock()
        self._tallies = tallies
        self._told: dict[str, Told] = {}
        self._held: dict[str, Held] = {}

    def put(self, held: Iterable[Held]) -> tuple[list[Target], list[str]]:
        """Take what is true now. Answers with the targets that are new or are another process, and the roles that are
        no more."""
        now = {one.role: one for one in held}
        with self._lock:
            new = [one for role, one in now.items() if role not in self._held or self._held[role].pid != one.pid]
            gone = [role for role in self._held if role not in now]
            self._held = now
            self._told = {role: self._say(one) for role, one in now.items()}
        return [self._target(one) for one in new], gone

    def worker(self, role: str) -> str | None:
        """Id of the worker that has this role now; None for the control plane, and where there is none."""
        with self._lock:
            held = self._held.get(role)
            return None if held is None else held.worker

    def workers(self) -> dict[str, str]:
        """The role of each worker, by its id."""
        with self._lock:
            return {one.worker: role for role, one in self._held.items() if one.worker is not None}

    def saved(self) -> dict[str, dict[str, int]]:
        """As `Tallies.saved`."""
        with self._lock:
            return self._tallies.saved()

    def _say(self, held: Held) -> Told:
        life = f"{held.worker or held.role}:{held.pid}"
        values = {
            Measured(_ALLOCATED[name]): float(held.allocated[name]) for name in _ALLOCATED if name in held.allocated
        }
        values |= {Measured(Resource.OBJECTS, kind): float(count) for kind, count in (held.objects or {}).items()}
        values |= {Measured(Resource.POOL, name): float(lent) for name, lent in held.pools.items()}
        values |= {Measured(Resource.QUEUE, name): float(waiting) for name, waiting in held.queues.items()}
        finished = self._tallies.of(life, held.finished)
        return Told(held.load, finished, held.quiet, values, about=held.about)

    def _target(self, held: Held) -> Target:
        def told() -> Told:
            with self._lock:
                return self._told.get(held.role, Told())

        tree = held.role.startswith("display:")  # the X server and the application; other workers have no children
        return Target(held.role, pid=held.pid, tree=tree, about=held.about, told=told)


def is_of_lobby(role: str) -> bool:
    """Whether it is the role of a lobby's worker or display."""
    return role.partition(":")[0] in (WorkerKind.LOBBY, WorkerKind.DISPLAY)


def lobby_of(role: str) -> str:
    """The id of its lobby; what the display's tree starts is told apart after a slash."""
    return role.partition(":")[2].partition("/")[0].partition("#")[0]
