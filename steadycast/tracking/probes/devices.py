"""What drivers show of GPUs and of the processes on them. Each driver is asked in a thread of its own, with a
deadline: one that hangs is not asked again until it answered, and says so.

Costs on one H200: 3 ms a look at a GPU. Nothing is opened on a machine without NVIDIA's driver.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from steadycast.model import Bound, Measured, Resource
from steadycast.tracking.probes.reading import Reading
from steadycast.vendors.look import render_nodes
from steadycast.vendors.nvidia import NvidiaVendor
from steadycast.vendors.protocol import DeviceUse, VendorError
from steadycast.vendors.va import VENDORS, use_of

DEADLINE_S = 3.0
STEP_S = 5.0
Ask = Callable[[], Sequence[DeviceUse]]


@dataclass(frozen=True, slots=True)
class DeviceLook:
    """`at` is the monotonic time at which something new came; `why` says of each driver that does not answer, why."""

    uses: tuple[DeviceUse, ...] = ()
    why: tuple[str, ...] = ()
    at: float = 0.0


@dataclass(slots=True)
class _Driver:
    name: str
    ask: Ask
    uses: tuple[DeviceUse, ...] = ()
    why: str | None = None
    at: float = 0.0
    asked: float = float("-inf")
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """In a thread that may be left behind."""
        try:
            uses, why = tuple(self.ask()), None
        except VendorError as error:
            uses, why = (), f"{self.name}: {error.what}"
        except OSError as error:
            uses, why = (), f"{self.name}: {error}"
        self.uses, self.why, self.at = uses, why, time.monotonic()
        self.over.set()


class Devices:
    """All drivers of this machine, or what `asks` says."""

    def __init__(self, asks: dict[str, Ask] | None = None, *, step_s: float = STEP_S, root: Path = Path("/")) -> None:
        self._drivers = [_Driver(name, ask) for name, ask in (asks or _asks(root)).items()]
        for driver in self._drivers:
            driver.over.set()
        self._step_s = step_s

    def look(self, now: float, wait_s: float) -> DeviceLook:
        """The newest there is. What is due is asked for, and waited for so long."""
        for driver in self._drivers:
            if driver.over.is_set() and now - driver.asked >= self._step_s:
                driver.asked = now
                driver.over.clear()
                threading.Thread(target=driver.run, name=f"asks {driver.name}", daemon=True).start()
        until = time.monotonic() + wait_s
        for driver in self._drivers:
            driver.over.wait(max(0.0, until - time.monotonic()))
        hung = [driver for driver in self._drivers if not driver.over.is_set() and now - driver.asked >= DEADLINE_S]
        told = [driver for driver in self._drivers if driver not in hung]
        return DeviceLook(
            tuple(use for driver in told for use in driver.uses),
            (
                *(driver.why for driver in told if driver.why is not None),
                *(f"{one.name}: no answer for {now - one.asked:.0f} s; its driver may hang" for one in hung),
            ),
            max((driver.at for driver in told), default=0.0),
        )


def _asks(root: Path) -> dict[str, Ask]:
    nvidia = NvidiaVendor(root)

    def ask_nvidia() -> Sequence[DeviceUse]:
        found = nvidia.look()
        return () if found is None else found.uses

    def ask_drm() -> Sequence[DeviceUse]:
        return [use_of(gpu, root) for gpu in render_nodes(root) if gpu.vendor in VENDORS]

    return {"NVIDIA": ask_nvidia, "DRM": ask_drm}


def of_device(use: DeviceUse, reading: Reading) -> tuple[Bound, ...]:
    """Of a whole device, and its limits."""
    for resource, value in (
        (Resource.VRAM, use.vram_used),
        (Resource.SHARED_VRAM, use.shared_used),
        (Resource.BAR1, use.bar1_used),
        (Resource.ENCODER_SESSIONS, use.session_count),
        (Resource.GPU_BUSY, use.gpu_utilisation),
        (Resource.ENCODER_BUSY, use.encoder_utilisation),
    ):
        if value is None:
            reading.miss("the driver does not tell", resource)
        else:
            reading.put(resource, float(value))
    pairs = (
        ("VRAM", Resource.VRAM, use.vram_total, use.vram_used),
        ("BAR1", Resource.BAR1, use.bar1_total, use.bar1_used),
    )
    return tuple(
        Bound(name, Measured(resource), total, used)
        for name, resource, total, used in pairs
        if total and used is not None
    )


def of_process(use: DeviceUse, pid: int, known: Reading, reading: Reading) -> tuple[Bound, ...]:
    """What a driver shows of one process on one device; nothing where it is not on it."""
    memory = use.memory_by_pid
    before = known.values.get(Measured(Resource.VRAM, use.device))
    if memory is not None and (pid in memory or before is not None):
        reading.put(Resource.VRAM, memory.get(pid, 0), use.device)
    if use.sessions is not None:
        count = sum(one.pid == pid for one in use.sessions)
        if count or Measured(Resource.ENCODER_SESSIONS, use.device) in known.values:
            reading.put(Resource.ENCODER_SESSIONS, count, use.device)
    if use.busy_by_pid is not None and (pid in use.busy_by_pid or before is not None):
        gpu, encoder = use.busy_by_pid.get(pid, (0.0, 0.0))  # who does nothing is not in the list
        reading.put(Resource.GPU_BUSY, gpu, use.device)
        reading.put(Resource.ENCODER_BUSY, encoder, use.device)
    measured = Measured(Resource.VRAM, use.device)
    holds = measured in reading.values or measured in known.values
    if not holds or not use.vram_total or use.vram_used is None:
        return ()
    return (Bound(f"VRAM of {use.device}", measured, use.vram_total, use.vram_used),)
