"""Memory and work of one process on GPUs of AMD and Intel: fdinfo of its own descriptors on /dev/dri.

NVIDIA's driver prints nothing there. Cost on a slow core: 6 us a descriptor and what the driver adds. It may
wait for a GPU that hangs.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from steadycast.model import Resource
from steadycast.tracking.probes.descriptors import Shares
from steadycast.tracking.probes.process import Process
from steadycast.tracking.probes.reading import Reading
from steadycast.vendors.fdinfo import Engine, engines_of, parsed, shared_of, vram_of

NODES = 512  # descriptors that are read at one look
_Client = tuple[str, str]  # PCI address, client id


@dataclass(slots=True)
class Clients:
    """DRM clients of one process. One that several processes share counts for one of them."""

    process: Process
    shares: Shares
    _engines: dict[tuple[_Client, str], Engine] = field(default_factory=dict)
    _addresses: dict[Resource, set[str]] = field(default_factory=dict)  # of devices it had memory of
    _read: float = 0.0

    def read(self, nodes: tuple[str, ...], now: float, reading: Reading) -> None:
        """`nodes` are numbers of descriptors on /dev/dri. Details are ids of devices."""
        clients: dict[_Client, dict[str, str]] = {}
        for name in nodes[:NODES]:
            try:
                keys = parsed(self.process.text(f"fdinfo/{name}", 8192).splitlines())
            except PermissionError:
                reading.miss("fdinfo: not ours to read; run as its user, or as root", Resource.VRAM)
                return
            except FileNotFoundError:
                continue  # closed since
            if "drm-pdev" in keys and "drm-client-id" in keys:
                clients[keys["drm-pdev"], keys["drm-client-id"]] = keys
        if clients or self._addresses:
            self._memory(clients, reading)
            self._work(clients, now, reading)

    def _memory(self, clients: dict[_Client, dict[str, str]], reading: Reading) -> None:
        for resource, size_of in ((Resource.VRAM, vram_of), (Resource.SHARED_VRAM, shared_of)):
            sizes: dict[str, dict[Hashable, float]] = {}
            for client, keys in clients.items():
                if (size := size_of(keys)) is not None:
                    sizes.setdefault(client[0], {})[client] = size
            if not sizes and clients:
                reading.miss("the driver of this kernel prints no memory in fdinfo", resource)
            known = self._addresses.setdefault(resource, set())
            known.update(sizes)
            for address in known:  # nothing left is 0
                held = self.shares.hold(self.process.pid, f"{resource}:{address}", sizes.get(address, {}))
                reading.put(resource, held, f"va:{address}")

    def _work(self, clients: dict[_Client, dict[str, str]], now: float, reading: Reading) -> None:
        """Busy since the last read: the busiest kind of engine that does not encode, and all that do."""
        before = self._read
        found = {
            (client, name): engine for client, keys in clients.items() for name, engine in engines_of(keys).items()
        }
        busy: dict[tuple[str, bool], dict[str, float]] = {}
        for (client, name), engine in found.items():
            old = self._engines.get((client, name))
            if old is None or now <= before:
                continue
            kinds = busy.setdefault((client[0], engine.encodes), {})
            kinds[name] = kinds.get(name, 0.0) + _share(old, engine, now - before)
        for (address, encodes), kinds in busy.items():
            resource = Resource.ENCODER_BUSY if encodes else Resource.GPU_BUSY
            reading.put(resource, min(1.0, max(kinds.values())), f"va:{address}")
        self._engines, self._read = found, now


def _share(old: Engine, new: Engine, seconds: float) -> float:
    """0 to 1. The counters may step back a little (Linux: gpu/drm-usage-stats.rst)."""
    used = max(0, new.used - old.used)
    if new.total is None or old.total is None:
        return used / (seconds * 1e9 * new.capacity)
    cycles = new.total - old.total
    return used / (cycles * new.capacity) if cycles > 0 else 0.0
