"""The one door to NVML: the few calls that the vendor needs, with plain values. Only this file knows pynvml.

Costs on one H200: process lists 12 to 60 us, memory 18 us, encoder sessions 15 us, utilisation 1 to 2.4 ms,
work by process 1.6 ms.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from steadycast.model import Codec

# Error codes of nvml.h.
UNINITIALIZED = 1
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
INSUFFICIENT_SIZE = 7
DRIVER_NOT_LOADED = 9
TIMEOUT = 10
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
RESET_REQUIRED = 16
LIB_RM_VERSION_MISMATCH = 18
NO_DATA = 21

_CODECS = {0: Codec.H264, 1: Codec.H265, 2: Codec.AV1}  # nvmlEncoderType_t
_TRIES = 3  # a session may be opened between the two calls that read the list
_EVENTS = 64  # of one look
_T = TypeVar("_T")


class NvmlError(Exception):
    """A call of NVML that failed; `code` is one of nvml.h."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code
        self.what = what


@dataclass(frozen=True, slots=True)
class Identity:
    """What a GPU is. `minor` is the number of its /dev/nvidia node."""

    uuid: str
    name: str
    minor: int | None = None
    mig: bool = False


@dataclass(frozen=True, slots=True)
class Bytes:
    """Of a memory: `reserved` is what the driver keeps for itself, None where it is in `used`."""

    total: int
    used: int
    reserved: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """An encoder session; `pid` is the host's, whatever namespace this process is in."""

    pid: int
    codec: Codec | None
    width: int
    height: int
    fps: float


class Nvml(Protocol):
    """NVML, opened. Every call may raise NvmlError, and may hang while a GPU is in trouble."""

    def driver(self) -> str:
        """Version of the driver."""

    def count(self) -> int:
        """GPUs, lost ones too."""

    def identity(self, index: int) -> Identity:
        """What a GPU is; `index` is in the order of the bus."""

    def memory(self, index: int) -> Bytes:
        """VRAM."""

    def bar1(self, index: int) -> Bytes:
        """The window through which the CPU sees VRAM."""

    def sessions(self, index: int) -> tuple[Session, ...]:
        """Encoder sessions of all processes."""

    def utilisation(self, index: int) -> tuple[int, int]:
        """Percent: encoder, GPU."""

    def processes(self, index: int) -> tuple[tuple[int, int | None], ...]:
        """Host pid and bytes of VRAM; a process may be there several times with the same figure."""

    def busy(self, index: int) -> tuple[tuple[int, int, int], ...]:
        """Host pid, percent of the GPU and of its encoder, the most of the samples since the last call."""

    def xids(self) -> tuple[tuple[int | None, int], ...]:
        """Xids since the last call, with the GPU's index (None: not known). Does not wait."""

    def close(self) -> None:
        """Let go of the library."""


class Pynvml:
    """NVML through nvidia-ml-py."""

    def __init__(self, pynvml: Any) -> None:
        self._lib = pynvml
        self._handles: dict[int, Any] = {}
        self._events: Any = None
        self._busy_since: dict[int, int] = {}  # microseconds, as the driver stamps its samples

    def driver(self) -> str:
        return str(self._call(self._lib.nvmlSystemGetDriverVersion))

    def count(self) -> int:
        return int(self._call(self._lib.nvmlDeviceGetCount))

    def identity(self, index: int) -> Identity:
        lib, handle = self._lib, self._handle(index)
        return Identity(
            uuid=str(self._call(lib.nvmlDeviceGetUUID, handle)),
            name=str(self._call(lib.nvmlDeviceGetName, handle)),
            minor=self._optional(lib.nvmlDeviceGetMinorNumber, handle),
            mig=bool((self._optional(lib.nvmlDeviceGetMigMode, handle) or (0, 0))[0]),
        )

    def memory(self, index: int) -> Bytes:
        """By the second version of the call, as nvidia-smi; the first, of older drivers, has the reserve in `used`."""
        handle = self._handle(index)
        info = self._optional(self._lib.nvmlDeviceGetMemoryInfo, handle, self._lib.nvmlMemory_v2)
        if info is not None:
            return Bytes(int(info.total), int(info.used), int(info.reserved))
        info = self._call(self._lib.nvmlDeviceGetMemoryInfo, handle)
        return Bytes(int(info.total), int(info.used))

    def bar1(self, index: int) -> Bytes:
        info = self._call(self._lib.nvmlDeviceGetBAR1MemoryInfo, self._handle(index))
        return Bytes(int(info.bar1Total), int(info.bar1Used))

    def sessions(self, index: int) -> tuple[Session, ...]:
        handle = self._handle(index)
        for number in range(_TRIES):
            try:
                rows = self._call(self._lib.nvmlDeviceGetEncoderSessions, handle)
                return tuple(
                    Session(int(s.pid), _CODECS.get(s.codecType), int(s.hResolution), int(s.vResolution), s.averageFps)
                    for s in rows
                )
            except NvmlError as error:
                if error.code != INSUFFICIENT_SIZE or number == _TRIES - 1:
                    raise
        raise AssertionError("not reached")

    def utilisation(self, index: int) -> tuple[int, int]:
        handle = self._handle(index)
        encoder = self._call(self._lib.nvmlDeviceGetEncoderUtilization, handle)[0]
        return int(encoder), int(self._call(self._lib.nvmlDeviceGetUtilizationRates, handle).gpu)

    def processes(self, index: int) -> tuple[tuple[int, int | None], ...]:
        lib, handle = self._lib, self._handle(index)
        calls = (
            lib.nvmlDeviceGetComputeRunningProcesses_v3,
            lib.nvmlDeviceGetGraphicsRunningProcesses_v3,
            lib.nvmlDeviceGetMPSComputeRunningProcesses_v3,
        )
        lists = [rows for call in calls if (rows := self._optional(call, handle)) is not None]
        if not lists:
            raise NvmlError(NOT_SUPPORTED, "no list of processes")
        return tuple((int(row.pid), row.usedGpuMemory) for rows in lists for row in rows)

    def busy(self, index: int) -> tuple[tuple[int, int, int], ...]:
        since = self._busy_since.get(index, 0)
        try:
            rows = self._call(self._lib.nvmlDeviceGetProcessUtilization, self._handle(index), since)
        except NvmlError as error:
            if error.code == NOT_FOUND:  # no sample since then
                return ()
            raise
        found: dict[int, list[tuple[int, int]]] = {}
        for row in rows:
            if row.timeStamp > since and row.pid:  # unused rows are zeros
                self._busy_since[index] = max(self._busy_since.get(index, 0), int(row.timeStamp))
                found.setdefault(int(row.pid), []).append((int(row.smUtil), int(row.encUtil)))
        return tuple((pid, max(gpu for gpu, _ in of), max(enc for _, enc in of)) for pid, of in found.items())

    def xids(self) -> tuple[tuple[int | None, int], ...]:
        if self._events is None:
            self._listen()
        found: list[tuple[int | None, int]] = []
        for _ in range(_EVENTS):
            try:
                data = self._call(self._lib.nvmlEventSetWait_v2, self._events, 0)
            except NvmlError as error:
                if error.code == TIMEOUT:
                    break
                raise
            if data.eventType == self._lib.nvmlEventTypeXidCriticalError:
                found.append((self._index(data.device), int(data.eventData)))
        return tuple(found)

    def close(self) -> None:
        events, self._events = self._events, None
        if events is not None:
            self._optional(self._lib.nvmlEventSetFree, events)
        self._handles.clear()
        self._optional(self._lib.nvmlShutdown)

    def _listen(self) -> None:
        self._events = self._call(self._lib.nvmlEventSetCreate)
        for index in range(self.count()):
            try:
                kind = self._lib.nvmlEventTypeXidCriticalError
                self._call(self._lib.nvmlDeviceRegisterEvents, self._handle(index), kind, self._events)
            except NvmlError:
                continue  # not supported on it, or it is lost: its other values say so

    def _handle(self, index: int) -> Any:
        if index not in self._handles:
            self._handles[index] = self._call(self._lib.nvmlDeviceGetHandleByIndex, index)
        return self._handles[index]

    def _index(self, device: Any) -> int | None:
        wanted = ctypes.cast(device, ctypes.c_void_p).value
        known = {ctypes.cast(handle, ctypes.c_void_p).value: index for index, handle in self._handles.items()}
        return known.get(wanted)

    def _call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        try:
            return function(*arguments)
        except self._lib.NVMLError as error:
            raise NvmlError(int(error.value), str(error)) from None

    def _optional(self, function: Callable[..., _T], *arguments: Any) -> _T | None:
        try:
            return self._call(function, *arguments)
        except NvmlError as error:
            if error.code in (GPU_IS_LOST, RESET_REQUIRED):
                raise
            return None


def open_nvml() -> Nvml | None:
    """NVML, initialised; None where its library, or nvidia-ml-py, is not here. Raises NvmlError."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        if error.value == LIBRARY_NOT_FOUND:
            return None
        raise NvmlError(int(error.value), str(error)) from None
    return Pynvml(pynvml)
