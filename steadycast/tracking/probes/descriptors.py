"""Open descriptors of a process by kind, and the memory behind those that are memory: dma-bufs and memfds.

Costs on a slow core: 2.5 us a descriptor (listing and readlink), 3 us more for each memfd and dma-buf. Where the
kernel tells their number, they are listed only if that changed, and every `RELIST_S`.
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
SIZED = 2048  # memfds and dma-bufs whose sizes are read at one look


class Shares:
    """Who counts what several processes hold: each thing once, for the process that was seen first with it."""

    def __init__(self) -> None:
        self._holders: dict[Hashable, int] = {}
        self._held: dict[tuple[int, str], frozenset[Hashable]] = {}
        self._lock = threading.Lock()

    def hold(self, pid: int, kind: str, things: Mapping[Hashable, float]) -> float:
        """The sum of those that count for this process now; what it held before and does not now is free."""
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
    _kinds: dict[str, int] = field(default_factory=dict)
    _listed: float = float("-inf")
    _memfds: tuple[str, ...] = ()
    _buffers: tuple[str, ...] = ()
    _sizes: dict[int, int] = field(default_factory=dict)  # of dma-bufs, by inode

    def read(self, count: int | None, reading: Reading) -> None:
        """`count` as the kernel tells it, if it does."""
        if count is not None and count > MOST:
            self.nodes = ()
            reading.put(Resource.DESCRIPTORS, count)
            why = f"more than {MOST} descriptors: they are not told apart"
            reading.miss(why, Resource.DMABUF, Resource.MEMFD)
            return
        folder = self.process.open("fd")
        try:
            now = time.monotonic()
            if count is None or count != self._total or now - self._listed >= RELIST_S:
                if not self._list(folder):
                    why = f"more than {sum(self._kinds.values())} descriptors: they are not counted further"
                    reading.miss(why, Resource.DESCRIPTORS, Resource.DMABUF, Resource.MEMFD)
                    return
                self._total, self._listed = self._total if count is None else count, now
            reading.split(Resource.DESCRIPTORS, self._kinds, sum(self._kinds.values()) if count is None else count)
            self._weigh(folder, reading)
        finally:
            os.close(folder)

    def _list(self, folder: int) -> bool:
        """False where it stopped at a bound."""
        kinds: Counter[str] = Counter()
        named: dict[str, list[str]] = {"memfd": [], "dmabuf": [], "dri": []}
        until = time.monotonic() + LISTING_S
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MOST or (number % 1024 == 1023 and time.monotonic() > until):
                    self._kinds = dict(kinds)
                    return False
                try:
                    kind = proc.descriptor_kind(os.readlink(entry.name, dir_fd=folder))
                except OSError:
                    continue  # closed since
                kinds[kind] += 1
                if kind in named:
                    named[kind].append(entry.name)
        self._kinds = dict(kinds)
        self._memfds, self._buffers = tuple(named["memfd"]), tuple(named["dmabuf"])
        self.nodes = tuple(named["dri"])
        return True

    def _weigh(self, folder: int, reading: Reading) -> None:
        if len(self._memfds) + len(self._buffers) > SIZED:
            reading.miss(f"more than {SIZED} of them: too many to measure", Resource.DMABUF, Resource.MEMFD)
            return
        pid = self.process.pid
        files: dict[Hashable, float] = {}
        for name in self._memfds:
            try:
                found = os.stat(name, dir_fd=folder)
            except OSError:
                continue
            files["memfd", found.st_dev, found.st_ino] = found.st_blocks * 512
        reading.put(Resource.MEMFD, self.shares.hold(pid, "memfd", files))
        buffers: dict[Hashable, float] = {}
        for name in self._buffers:
            if (one := self._buffer(folder, name)) is not None:
                buffers["dmabuf", one[0]] = one[1]
        self._sizes = {inode: size for inode, size in self._sizes.items() if ("dmabuf", inode) in buffers}
        reading.put(Resource.DMABUF, self.shares.hold(pid, "dmabuf", buffers))

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
