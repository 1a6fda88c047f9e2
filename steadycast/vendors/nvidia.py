"""NVIDIA's GPUs by NVML. One that is lost becomes a device that cannot encode and takes nothing else away."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from steadycast.vendors import nvml as codes
from steadycast.vendors.geforce import POOL, is_geforce, table_cap
from steadycast.vendors.nvenc import FATAL_XIDS, choices, cuda_numbers, no_encoder, xid_text
from steadycast.vendors.nvidia_files import look_at_files
from steadycast.vendors.nvml import Bytes, Identity, Nvml, NvmlError, open_nvml
from steadycast.vendors.pids import HostPids
from steadycast.vendors.protocol import Device, DeviceFault, DeviceUse, OpenSession, VendorError, VendorLook

GPUS = 64
_WHOLE = (codes.UNINITIALIZED, codes.DRIVER_NOT_LOADED, codes.LIB_RM_VERSION_MISMATCH)
_LOST = (codes.GPU_IS_LOST, codes.RESET_REQUIRED)
_LOST_HINT = "Look at dmesg for Xid; then nvidia-smi --gpu-reset with nothing running on it, or reboot."
_HINTS = {
    codes.DRIVER_NOT_LOADED: "Load it: sudo modprobe nvidia; if that fails, install the driver for this kernel.",
    codes.LIB_RM_VERSION_MISMATCH: "The driver was upgraded under a running system: reboot, or unload and load it.",
    codes.NO_PERMISSION: "This user may not open /dev/nvidia*: see their owner and group.",
    codes.GPU_IS_LOST: _LOST_HINT,
    codes.RESET_REQUIRED: _LOST_HINT,
}
_T = TypeVar("_T")
_log = structlog.get_logger("vendors")


@dataclass(frozen=True, slots=True)
class _Gpu:
    """One GPU of a look: `lost` says why it does not answer."""

    index: int
    identity: Identity
    lost: str | None = None


class NvidiaVendor:
    """NVML stays open between looks; after a failure of all of it, it is opened anew."""

    name = "nvidia"

    def __init__(
        self,
        root: Path = Path("/"),
        opened: Callable[[], Nvml | None] = open_nvml,
        visible: str | None = os.environ.get("CUDA_VISIBLE_DEVICES"),
    ) -> None:
        self._root = root
        self._open = opened
        self._visible = visible
        self._nvml: Nvml | None = None
        self._known: dict[int, Identity] = {}
        self._listens = True

    def look(self) -> VendorLook | None:
        """None without driver and card, or without NVML's library."""
        try:
            if self._nvml is None and not self._begin():
                return None
            assert self._nvml is not None
            return self._look(self._nvml)
        except NvmlError as error:
            self.close()
            raise VendorError(f"NVML: {error.what}", _HINTS.get(error.code)) from None

    def close(self) -> None:
        """Gives NVML back; a look opens it again."""
        nvml, self._nvml = self._nvml, None
        self._known.clear()
        if nvml is not None:
            with contextlib.suppress(NvmlError):  # a driver that is gone has nothing to give back to
                nvml.close()

    def _begin(self) -> bool:
        files = look_at_files(self._root)
        if not files.answers:
            if files.cards:
                shown = ", ".join(files.cards[:4])
                raise VendorError(
                    f"an NVIDIA card is at {shown}, and its driver is not loaded", _HINTS[codes.DRIVER_NOT_LOADED]
                )
            return False
        try:
            self._nvml = self._open()
        except NvmlError as error:
            if error.code == codes.DRIVER_NOT_LOADED and not files.driver and not files.cards:
                return False  # nodes that somebody left behind
            raise
        self._listens = True
        return self._nvml is not None

    def _look(self, nvml: Nvml) -> VendorLook:
        driver = nvml.driver()
        gpus = tuple(self._gpu(nvml, index) for index in range(min(nvml.count(), GPUS)))
        faults = self._faults(nvml, gpus)
        pids = HostPids(self._root, "/dev/nvidia")
        uses, lost = [], {}
        for gpu in gpus:
            use, why = self._use(nvml, gpu, pids, faults.get(gpu.index, ()))
            uses.append(use)
            lost[gpu.index] = why
        return VendorLook(self._devices(gpus, lost, driver), tuple(uses))

    def _gpu(self, nvml: Nvml, index: int) -> _Gpu:
        try:
            self._known[index] = identity = nvml.identity(index)
            return _Gpu(index, identity)
        except NvmlError as error:
            if error.code in _WHOLE:
                raise
            known = self._known.get(index, Identity(f"unknown-{index}", f"NVIDIA GPU {index}"))
            return _Gpu(index, known, error.what)

    def _devices(self, gpus: tuple[_Gpu, ...], lost: dict[int, str | None], driver: str) -> tuple[Device, ...]:
        numbers = cuda_numbers([gpu.identity.uuid for gpu in gpus], self._visible)
        able = [g.identity.uuid for g in gpus if g.identity.uuid in numbers and not no_encoder(g.identity.name)]
        first = min(able, key=lambda uuid: numbers[uuid], default=None)
        return tuple(_device(gpu, lost[gpu.index], driver, numbers, first) for gpu in gpus)

    def _use(
        self, nvml: Nvml, gpu: _Gpu, pids: HostPids, faults: tuple[DeviceFault, ...]
    ) -> tuple[DeviceUse, str | None]:
        """What is used of a GPU, and why it is lost (None: it is not)."""
        blind = DeviceUse(_id(gpu), faults=faults)
        if gpu.lost is not None:
            return blind, gpu.lost
        index, mig = gpu.index, gpu.identity.mig
        try:
            memory, bar1 = _known(nvml.memory, index), _known(nvml.bar1, index)
            rows = None if mig else _known(nvml.sessions, index)  # with MIG the driver answers neither of the two
            percent = None if mig else _known(nvml.utilisation, index)
            processes = _known(nvml.processes, index)
            busy = None if mig else _known(nvml.busy, index)
        except NvmlError as error:
            if error.code not in _LOST:
                raise
            return blind, error.what
        sessions = None if rows is None else tuple(_session(row, pids) for row in rows)
        return (
            DeviceUse(
                _id(gpu),
                sessions=sessions,
                session_count=None if sessions is None else len(sessions),
                vram_total=_total(memory),
                vram_used=_used(memory),
                vram_reserved=None if memory is None else memory.reserved,
                bar1_total=_total(bar1),
                bar1_used=_used(bar1),
                encoder_utilisation=None if percent is None else min(percent[0], 100) / 100,
                gpu_utilisation=None if percent is None else min(percent[1], 100) / 100,
                memory_by_pid=None if processes is None else memory_by_pid(processes, pids),
                busy_by_pid=None if busy is None else busy_by_pid(busy, pids),
                faults=faults,
            ),
            None,
        )

    def _faults(self, nvml: Nvml, gpus: tuple[_Gpu, ...]) -> dict[int, tuple[DeviceFault, ...]]:
        if not self._listens:
            return {}
        try:
            xids = nvml.xids()
        except NvmlError as error:
            if error.code in _WHOLE:
                raise
            self._listens = error.code in _LOST
            return {}
        found: dict[int, tuple[DeviceFault, ...]] = {}
        for index, xid in xids:
            if index is None or index >= len(gpus):
                _log.warning("xid of an unknown gpu", xid=xid)
                continue
            fault = DeviceFault(f"xid.{xid}", xid_text(xid), xid in FATAL_XIDS)
            found[index] = (*found.get(index, ()), fault)
        return found


def memory_by_pid(rows: Iterable[tuple[int, int | None]], pids: HostPids) -> dict[int, int] | None:
    """VRAM of the processes that are seen here; None where there are some and none can be told.

    A process may be in several of NVML's lists with the same figure, so the largest counts, not the sum.
    """
    largest: dict[int, int] = {}
    is_told = True
    for pid, size in rows:
        local = None if size is None else pids.local(pid)
        if local is None or size is None:
            is_told = False
            continue
        largest[local] = max(size, largest.get(local, 0))
    return largest if largest or is_told else None


def busy_by_pid(rows: Iterable[tuple[int, int, int]], pids: HostPids) -> dict[int, tuple[float, float]]:
    """Work of the processes that are seen here, 0 to 1: of the GPU, of its encoder."""
    known = ((pids.local(pid), gpu, encoder) for pid, gpu, encoder in rows)
    return {pid: (min(gpu, 100) / 100, min(encoder, 100) / 100) for pid, gpu, encoder in known if pid is not None}


def _device(gpu: _Gpu, lost: str | None, driver: str, numbers: dict[str, int], first: str | None) -> Device:
    name, uuid = gpu.identity.name, gpu.identity.uuid
    consumer = is_geforce(name)
    none_because, hint = no_encoder(name), "Its video goes to the CPU, or to another GPU."
    if lost is not None:
        none_because, hint = f"it does not answer: {lost}", _LOST_HINT
    elif none_because is None and uuid not in numbers:
        none_because, hint = "the variable CUDA_VISIBLE_DEVICES hides it", "Unset it, or name this GPU in it."
    return Device(
        id=_id(gpu),
        vendor="nvidia",
        name=name,
        hardware=True,
        pool=POOL if consumer else _id(gpu),
        choices=choices(numbers.get(uuid), uuid == first),
        driver=driver,
        session_cap=table_cap(driver) if consumer else None,
        node=None if gpu.identity.minor is None else f"/dev/nvidia{gpu.identity.minor}",
        none_because=none_because,
        hint=hint if none_because else None,
        broken=lost is not None,
        opens_alone=True,
    )


def _id(gpu: _Gpu) -> str:
    return f"nvidia:{gpu.identity.uuid}"


def _session(row: codes.Session, pids: HostPids) -> OpenSession:
    pid = pids.local(row.pid)
    return OpenSession(pid, pids.name(pid), row.codec, row.width or None, row.height or None, row.fps or None)


def _known(call: Callable[[int], _T], index: int) -> _T | None:
    """A value of a GPU; None where it has none to give. A lost GPU and a lost driver are raised."""
    try:
        return call(index)
    except NvmlError as error:
        if error.code in _WHOLE or error.code in _LOST:
            raise
        return None


def _total(memory: Bytes | None) -> int | None:
    return None if memory is None else memory.total


def _used(memory: Bytes | None) -> int | None:
    return None if memory is None else memory.used
