"""What processes and GPUs hold on Windows: performance counters of the GPU scheduler, handles, private bytes; and DXGI
for the process that asks.

NOT RUN ON REAL HARDWARE: tested on recorded instances of counters through a small interface of our own
(`WindowsCalls`); its calls of the system are in `windows_calls`. Costs are not measured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from steadycast.model import Bound, Measured, Resource
from steadycast.tracking.probes.reading import GONE, Reading
from steadycast.vendors.protocol import DeviceUse

NOT_RUN = "not run on real hardware"
INSTANCES = 65_536
_PROCESS = re.compile(r"pid_(\d+)_luid_(0x[0-9A-Fa-f]+)_(0x[0-9A-Fa-f]+)_phys_(\d+)(?:_eng_(\d+)_engtype_(.+))?")
_ADAPTER = re.compile(r"luid_(0x[0-9A-Fa-f]+)_(0x[0-9A-Fa-f]+)_phys_(\d+)")
# Counters by their English names; those of other languages need PdhAddEnglishCounterW.
DEDICATED = r"\GPU Process Memory(*)\Dedicated Usage"
SHARED = r"\GPU Process Memory(*)\Shared Usage"
ENGINES = r"\GPU Engine(*)\Utilization Percentage"
ADAPTER_DEDICATED = r"\GPU Adapter Memory(*)\Dedicated Usage"
ADAPTER_SHARED = r"\GPU Adapter Memory(*)\Shared Usage"
_ENCODER = "VideoEncode"


class WindowsError(Exception):
    """A call that failed; `code` is one of the system's. GONE_CODE: there is no such process."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code
        self.what = what


GONE_CODE = 87  # ERROR_INVALID_PARAMETER of OpenProcess
DENIED_CODE = 5


@dataclass(frozen=True, slots=True)
class VideoMemory:
    """DXGI_QUERY_VIDEO_MEMORY_INFO: the system may take away what is over the budget."""

    adapter: str  # as `luid_0x..._0x..._phys_0`
    budget: int
    used: int


class WindowsCalls(Protocol):
    """The calls that are needed, with plain values. Each may raise WindowsError."""

    def counters(self, path: str) -> Sequence[tuple[str, float]]:
        """Instances of a counter and their values now; empty where no instance is there."""

    def private_bytes(self, pid: int) -> int:
        """PrivateUsage: committed for this process alone, memory of graphics among it."""

    def working_set(self, pid: int) -> int:
        """Bytes in RAM."""

    def handles(self, pid: int) -> int:
        """Of the kernel."""

    def gui_handles(self, pid: int) -> tuple[int, int]:
        """GDI objects, USER objects."""

    def threads(self, pid: int) -> int:
        """How many there are."""

    def own_video_memory(self) -> Sequence[VideoMemory]:
        """DXGI's answer for the calling process, local memory of each adapter."""


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of a GPU counter: of which process, on which adapter (`luid_..._phys_0`), of which kind of engine."""

    pid: int
    adapter: str
    engine: str | None


def instance(name: str) -> Instance | None:
    """`pid_4242_luid_0x00000000_0x0000D1C4_phys_0_eng_3_engtype_VideoEncode`; None where it has another shape."""
    found = _PROCESS.fullmatch(name.rpartition("#")[0] or name if "#" in name else name)
    if found is None:
        return None
    pid, high, low, physical, _, engine = found.groups()
    return Instance(int(pid), f"luid_{high}_{low}_phys_{physical}".lower(), engine)


class WindowsReader:
    """Counters are asked for once for all processes: `refresh`, then `process` for each."""

    def __init__(self, calls: WindowsCalls) -> None:
        self._calls = calls
        self._dedicated: Mapping[tuple[int, str], float] = {}
        self._shared: Mapping[tuple[int, str], float] = {}
        self._busy: Mapping[tuple[int, str, str], float] = {}
        self._why: str | None = "not read yet"

    def refresh(self) -> None:
        """Reads the counters of all processes."""
        try:
            self._dedicated = self._by_process(DEDICATED)
            self._shared = self._by_process(SHARED)
            self._busy = self._by_engine()
            self._why = None
        except WindowsError as error:
            self._why = f"performance counters of GPUs: {error.what} (Windows 10 1709 and newer have them)"

    def process(self, pid: int) -> Reading:
        """Of one process. Raises ProcessLookupError where there is none."""
        reading = Reading()
        self._of_system(pid, reading)
        if self._why is not None:
            reading.miss(self._why, Resource.VRAM, Resource.SHARED_VRAM, Resource.GPU_BUSY, Resource.ENCODER_BUSY)
            return reading
        for resource, values in ((Resource.VRAM, self._dedicated), (Resource.SHARED_VRAM, self._shared)):
            for (owner, adapter), value in values.items():
                if owner == pid:
                    reading.put(resource, value, adapter)
        for (owner, adapter, engine), value in self._busy.items():
            if owner == pid:
                resource = Resource.ENCODER_BUSY if engine == _ENCODER else Resource.GPU_BUSY
                before = reading.values.get(Measured(resource, adapter), 0.0)
                reading.put(resource, max(before, min(value / 100, 1.0)), adapter)
        return reading

    def devices(self) -> tuple[DeviceUse, ...]:
        """Adapters as a whole; what they have altogether is not told by counters."""
        try:
            dedicated = {_adapter(name): value for name, value in self._calls.counters(ADAPTER_DEDICATED)}
            shared = {_adapter(name): value for name, value in self._calls.counters(ADAPTER_SHARED)}
        except WindowsError as error:
            raise OSError(f"performance counters of GPUs: {error.what}") from None
        return tuple(
            DeviceUse(
                adapter,
                vram_used=int(used),
                shared_used=int(shared.get(adapter, 0)),
                memory_by_pid={pid: int(size) for (pid, one), size in self._dedicated.items() if one == adapter},
            )
            for adapter, used in sorted(dedicated.items())
            if adapter
        )

    def own_bounds(self) -> tuple[Bound, ...]:
        """Budgets of the process that asks: what is over them may be moved out of VRAM at any time."""
        try:
            found = self._calls.own_video_memory()
        except WindowsError:
            return ()
        return tuple(
            Bound(f"budget of {one.adapter}", Measured(Resource.VRAM, one.adapter), one.budget, one.used)
            for one in found
            if one.budget
        )

    def _of_system(self, pid: int, reading: Reading) -> None:
        try:
            reading.put(Resource.PRIVATE, self._calls.private_bytes(pid))
            reading.put(Resource.RSS, self._calls.working_set(pid))
            gdi, user = self._calls.gui_handles(pid)
            kernel = self._calls.handles(pid)
            reading.split(Resource.HANDLES, {"kernel": kernel, "gdi": gdi, "user": user})
            reading.put(Resource.THREADS, self._calls.threads(pid))
        except WindowsError as error:
            if error.code == GONE_CODE:
                raise ProcessLookupError(GONE) from None
            why = "not ours to read; run as administrator" if error.code == DENIED_CODE else error.what
            wanted = (Resource.PRIVATE, Resource.RSS, Resource.HANDLES, Resource.THREADS)
            reading.miss(why, *(one for one in wanted if Measured(one) not in reading.values))

    def _by_process(self, path: str) -> dict[tuple[int, str], float]:
        found: dict[tuple[int, str], float] = {}
        for name, value in self._calls.counters(path)[:INSTANCES]:
            if (one := instance(name)) is not None:
                key = (one.pid, one.adapter)
                found[key] = found.get(key, 0.0) + value
        return found

    def _by_engine(self) -> dict[tuple[int, str, str], float]:
        """The engines of a kind are summed."""
        found: dict[tuple[int, str, str], float] = {}
        for name, value in self._calls.counters(ENGINES)[:INSTANCES]:
            if (one := instance(name)) is not None and one.engine is not None:
                key = (one.pid, one.adapter, one.engine)
                found[key] = found.get(key, 0.0) + value
        return found


def _adapter(name: str) -> str:
    found = _ADAPTER.fullmatch(name)
    return name.lower() if found else ""
