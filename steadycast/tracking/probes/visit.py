"""One look at one process, in steps that do not wait for anybody first: what was read before a step hangs is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from steadycast.model import Bound, Resource
from steadycast.tracking.families import Identity
from steadycast.tracking.probes.descriptors import Descriptors, Shares
from steadycast.tracking.probes.drm import Clients
from steadycast.tracking.probes.limits import Limits
from steadycast.tracking.probes.pace import Due, Pace, Steps
from steadycast.tracking.probes.process import Peek, Process
from steadycast.tracking.probes.reading import Reading, reason
from steadycast.tracking.probes.threads import Threads

_MEMORY = (Resource.PSS, Resource.PRIVATE, Resource.USS)
_DESCRIPTORS = (Resource.DESCRIPTORS, Resource.DMABUF, Resource.MEMFD)
# What each step tells: it is not known while the step hangs.
_TELLS: dict[str, tuple[Resource, ...]] = {
    "state": (Resource.RSS, Resource.CHILDREN, Resource.ZOMBIES),
    "descriptors": _DESCRIPTORS,
    "threads": (Resource.THREADS,),
    "limits": (),
    "memory": _MEMORY,
    "graphics": (Resource.VRAM, Resource.SHARED_VRAM, Resource.GPU_BUSY, Resource.ENCODER_BUSY),
}
_FILES = {
    "state": "stat", "descriptors": "fd", "threads": "task", "limits": "limits", "memory": "smaps_rollup",
    "graphics": "fdinfo",
}  # fmt: skip


@dataclass(slots=True)
class Watched:
    """One process that is followed, between its looks. `known` is the newest of everything."""

    process: Process
    descriptors: Descriptors
    threads: Threads
    clients: Clients
    pace: Pace
    limits: Limits
    known: Reading = field(default_factory=Reading)
    peek: Peek | None = None
    stuck: Visit | None = None

    @classmethod
    def open(cls, identity: Identity, root: Path, shares: Shares, steps: Steps, *, keep: bool) -> Watched | None:
        """None where it is gone, or its pid is another's by now."""
        try:
            process = Process(identity.pid, root, keep=keep)
        except OSError:
            return None
        if process.identity != identity:
            process.close()
            return None
        descriptors = Descriptors(process, shares)
        return cls(process, descriptors, Threads(process), Clients(process, shares), Pace(steps), Limits(process))

    def close(self, shares: Shares) -> None:
        """It is not followed any more."""
        self.process.close()
        shares.release(self.process.pid)


@dataclass(slots=True)
class Visit:
    """Call it in a thread that may be left behind. Afterwards: `gone`, or the peek, `due`, and what was read."""

    watched: Watched
    now: float
    watching: int  # processes altogether
    settled: bool
    counts_by_size: bool
    children: Mapping[str, float] = field(default_factory=dict)  # living ones by name
    zombies: int = 0
    reading: Reading = field(default_factory=Reading)
    bounds: tuple[Bound, ...] = ()
    due: Due = field(default_factory=Due)
    peek: Peek | None = None
    gone: bool = False
    step: str = ""
    left: bool = False
    over: bool = False

    def __call__(self) -> None:
        stuck = self.watched.stuck
        hangs = stuck.step if stuck is not None and not stuck.over else None
        try:
            for name, step in self._steps():
                if self.left:
                    return
                self.step = name
                if name == hangs:
                    self._hangs(name)
                    continue
                part = self._read(name, step)
                if not self.left:
                    self.reading.add(part)
                if not self.due.counts:
                    return
        except ProcessLookupError:
            self.gone = True
        finally:
            self.over = True

    def _read(self, name: str, step: Callable[[Reading], None]) -> Reading:
        """What a step tells; where it fails, why."""
        part = Reading()
        try:
            step(part)
        except ProcessLookupError:
            raise
        except OSError as error:
            part.miss(reason(error, _FILES[name]), *_TELLS[name])
        except (ValueError, IndexError):
            part.miss(f"{_FILES[name]} has a shape that nobody knows", *_TELLS[name])
        return part

    def leave(self) -> None:
        """It did not come back in time."""
        self.left = True
        self.watched.stuck = self
        self._hangs(self.step)

    def _hangs(self, step: str) -> None:
        if self.due.counts:
            self.reading.miss(f"reading it hangs in the kernel ({step})", *_TELLS[step])

    def _steps(self) -> list[tuple[str, Callable[[Reading], None]]]:
        """Those first that wait for nobody."""
        return [
            ("state", self._state),
            ("descriptors", self._descriptors),
            ("threads", self._threads),
            ("limits", self._limits),
            ("memory", self._memory),
            ("graphics", self._graphics),
        ]

    def _state(self, part: Reading) -> None:
        peek = self.watched.process.peek(self.counts_by_size)
        self.peek = peek
        if peek.state in "ZX":
            self.gone = True
            return
        family = (sum(self.children.values()), self.zombies)
        self.due = self.watched.pace.due(peek, family, self.now, self.watching, settled=self.settled)
        if self.due.counts:
            part.put(Resource.RSS, peek.rss)
            part.split(Resource.CHILDREN, self.children)
            part.put(Resource.ZOMBIES, self.zombies)

    def _descriptors(self, part: Reading) -> None:
        if self.peek is not None:
            self.watched.descriptors.read(self.peek.descriptors, self.watching, self.now, part)

    def _threads(self, part: Reading) -> None:
        if self.peek is not None:
            self.watched.threads.read(self.peek.threads, self.now, part)

    def _limits(self, _: Reading) -> None:
        self.bounds = self.watched.limits.read(self.now, self.reading)

    def _memory(self, part: Reading) -> None:
        if not self.due.memory:
            return
        began = time.thread_time()
        try:
            found = self.watched.process.memory()
        finally:
            self.watched.pace.took(time.thread_time() - began)
        if found is None:
            part.miss("smaps_rollup is empty: the process is ending", *_MEMORY)
            return
        part.put(Resource.PSS, found.pss)
        part.put(Resource.USS, found.uss)
        part.put(Resource.PRIVATE, found.private_dirty + found.swap)

    def _graphics(self, part: Reading) -> None:
        self.watched.clients.read(self.watched.descriptors.nodes, self.now, part)
