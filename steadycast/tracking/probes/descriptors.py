"""Open descriptors of a process by kind, and the memory behind those that are memory: dma-bufs and memfds.

Costs on a slow core: 1.5 us a descriptor for the listing, 1.5 us for each new one, 3 us for each memfd and dma-buf.
Where the kernel tells their number, they are listed only if that changed, and every `RELIST_S`.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from steadycast.model import Resource
from steadycast.tracking import proc
from steadycast.tracking.probes.process import Process
from steadycast.tracking.probes.reading import Reading

MOST = 65_536  # that are told apart; of more, only their number is told
RELIST_S = 10.0
LISTING_S = 0.2  # for one listing; it stops there
_SHARE = 0.005  # of a core, for the listings of all processes together
SIZED = 2048  # memfds and dma-bufs whose sizes are read at one look


class Shares:
    """Who counts what several processes hold: each thing once, for the process that was seen first with it."""

    def __init__(self) -> None:
        self._holders: dict[Hashable, int] = {}
        self._held: dict[tuple[int, str], frozenset[Hashable]] = {}
        self._lock = threading.Lock()

    def hold(self, pid: int, kind: str, things: Mapping[Hashable, float]) -> float:
        """The sum of those that count for this process now; what it held before and does not now is free."""
        if not things and (pid, kind) not in self._held:
            return 0.0
        with self._lock:
            for gone in self._held.get((pid, kind), frozenset()) - things.keys():
                self._free(gone, pid)
            self._held[pid, kind] = frozenset(things)
            return sum(size for thing, size in things.items() if self._holders.setdefault(thing, pid) == pid)

    def release(self, pid: int) -> None:
        """A process that ended holds nothing."""
        with self._lock:
            for key in [key for key in self._held if key[0] == pid]:
                for thing in self._held.pop(key):
                    self._free(thing, pid)

    def _free(self, thing: Hashable, pid: int) -> None:
        if self._holders.get(thing) == pid:
            del self._holders[thing]


@dataclass(slots=True)
class Descriptors:
    """Of one process, between its looks. `nodes` are numbers of those open on /dev/dri."""

    process: Process
    shares: Shares
    nodes: tuple[str, ...] = ()
    _total: int = -1
    _known: dict[str, str] = field(default_factory=dict)  # kinds by number
    _kinds: dict[str, int] = field(default_factory=dict)
    _listed: float = float("-inf")
    _anew: float = float("-inf")  # when all were read, not only new numbers
    _cost_s: float = 0.0  # of a listing
    _memory: dict[Resource, float] = field(default_factory=dict)
    _sizes: dict[int, int] = field(default_factory=dict)  # of dma-bufs, by inode

    def read(self, count: int | None, watched: int, now: float, reading: Reading) -> None:
        """`count` as the kernel tells it, if it does. `watched` processes share the time there is for listings: where
        one is not due yet, only the number is told."""
        if count is not None and count > MOST:
            self.nodes = ()
            reading.put(Resource.DESCRIPTORS, count)
            reading.miss(f"more than {MOST} descriptors: they are not told apart", Resource.DMABUF, Resource.MEMFD)
            return
        age = now - self._listed
        if age < self._cost_s * watched / _SHARE:
            if count is not None:
                reading.put(Resource.DESCRIPTORS, count)
            return
        if count is None or count != self._total or age >= RELIST_S:
            began = time.thread_time()
            folder = self.process.open("fd")
            try:
                if not self._list(folder, now):
                    why = f"more than {len(self._known)} descriptors: they are not counted further"
                    reading.miss(why, Resource.DESCRIPTORS, Resource.DMABUF, Resource.MEMFD)
                    return
                self._weigh(folder, reading)
            finally:
                os.close(folder)
            self._cost_s = time.thread_time() - began
            self._total, self._listed = len(self._known) if count is None else count, now
        reading.split(Resource.DESCRIPTORS, self._kinds, self._total)
        for resource, size in self._memory.items():
            reading.put(resource, size)

    def _list(self, folder: int, now: float) -> bool:
        """False where it stopped at a bound. A number that is known is taken for the same, for `RELIST_S`."""
        if now - self._anew >= RELIST_S:
            self._anew, self._known = now, {}
        known, found = self._known, {}
        is_whole = True
        until = time.monotonic() + LISTING_S
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MOST or (number & 1023 == 1023 and time.monotonic() > until):
                    is_whole = False
                    break
                name = entry.name
                if (kind := known.get(name)) is None:
                    try:
                        kind = proc.descriptor_kind(os.readlink(name, dir_fd=folder))
                    except OSError:
                        continue  # closed since
                found[name] = kind
        self._known = found
        self._kinds = dict(Counter(found.values()))
        self.nodes = self._of_kind("dri")
        return is_whole

    def _of_kind(self, kind: str) -> tuple[str, ...]:
        return tuple(name for name, one in self._known.items() if one == kind) if kind in self._kinds else ()

    def _weigh(self, folder: int, reading: Reading) -> None:
        """Memory behind descriptors."""
        self._memory = {}
        memfds, dmabufs = self._of_kind("memfd"), self._of_kind("dmabuf")
        if len(memfds) + len(dmabufs) > SIZED:
            reading.miss(f"more than {SIZED} of them: too many to measure", Resource.DMABUF, Resource.MEMFD)
            return
        files: dict[Hashable, float] = {}
        for name in memfds:
            try:
                found = os.stat(name, dir_fd=folder)
            except OSError:
                continue
            files["memfd", found.st_dev, found.st_ino] = found.st_blocks * 512
        buffers: dict[Hashable, float] = {}
        for name in dmabufs:
            if (one := self._buffer(folder, name)) is not None:
                buffers["dmabuf", one[0]] = one[1]
        self._sizes = {inode: size for inode, size in self._sizes.items() if ("dmabuf", inode) in buffers}
        self._memory[Resource.MEMFD] = self.shares.hold(self.process.pid, "memfd", files)
        self._memory[Resource.DMABUF] = self.shares.hold(self.process.pid, "dmabuf", buffers)

    def _buffer(self, folder: int, name: str) -> tuple[int, int] | None:
        """Inode and bytes of a dma-buf: `ino:` and `size:` of its fdinfo (Linux: filesystems/proc.rst)."""
        try:
            inode = os.stat(name, dir_fd=folder).st_ino
        except OSError:
            inode = 0
        if inode in self._sizes:
            return inode, self._sizes[inode]
        try:
            rows = (line.partition(":") for line in self.process.text(f"fdinfo/{name}", 4096).splitlines())
        except OSError:
            return None
        keys = {key: value.strip() for key, _, value in rows}
        inode, size = int(keys.get("ino", inode)), keys.get("size", "")
        if not size.isdecimal():
            return None
        self._sizes[inode] = int(size)
        return inode, int(size)
