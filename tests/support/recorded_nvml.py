"""NVML with values that were recorded: a GeForce, a T4, an H200, one that fails, one that hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from steadycast.model import Codec
from steadycast.vendors.nvml import NOT_SUPPORTED, Bytes, Identity, NvmlError, Session

MIB = 1 << 20
_T = TypeVar("_T")
LOST = NvmlError(15, "GPU is lost")


@dataclass
class RecordedGpu:
    """One GPU. `fails` holds an error by the name of the call that raises it."""

    identity: Identity
    memory: Bytes
    bar1: Bytes = field(default_factory=lambda: Bytes(256 * MIB, 5 * MIB))
    sessions: tuple[Session, ...] = ()
    utilisation: tuple[int, int] = (0, 0)
    processes: tuple[tuple[int, int | None], ...] = ()
    busy: tuple[tuple[int, int, int], ...] = ()
    fails: dict[str, NvmlError] = field(default_factory=dict)


def geforce(number: int = 0) -> RecordedGpu:
    """A consumer card that two programs encode on; 4242 is in two of the driver's lists."""
    return RecordedGpu(
        Identity(f"GPU-6d3f0000-0000-0000-0000-00000000000{number}", "NVIDIA GeForce RTX 3060", number),
        Bytes(12_288 * MIB, 1500 * MIB),
        sessions=(Session(4242, Codec.H264, 1920, 1080, 60), Session(99_999_999, Codec.H265, 1280, 720, 0)),
        utilisation=(37, 101),
        processes=((4242, 300 * MIB), (4242, 310 * MIB), (99_999_999, 120 * MIB), (4243, None)),
        busy=((4242, 30, 101), (99_999_999, 5, 5)),
    )


def t4() -> RecordedGpu:
    return RecordedGpu(
        Identity("GPU-74000000-0000-0000-0000-000000000000", "Tesla T4", 0), Bytes(15_360 * MIB, 447 * MIB)
    )


def h200() -> RecordedGpu:
    """As one answered with driver 580.159: its capacity to encode is told as 100, and it has no encoder."""
    return RecordedGpu(
        Identity("GPU-b1c2d3e4-0000-0000-0000-000000000000", "NVIDIA H200", 0),
        Bytes(143_771 * MIB, 634 * MIB),
        Bytes(262_144 * MIB, 1 * MIB),
    )


def mig() -> RecordedGpu:
    """A partitioned GPU: the driver answers neither utilisation nor encoder sessions."""
    unsupported = NvmlError(NOT_SUPPORTED, "Not Supported")
    return RecordedGpu(
        Identity("GPU-aaaa0000-0000-0000-0000-000000000000", "NVIDIA RTX PRO 6000 Blackwell", 0, mig=True),
        Bytes(97_887 * MIB, 700 * MIB),
        fails={"sessions": unsupported, "utilisation": unsupported},
    )


class RecordedNvml:
    """Implements `Nvml`. `fails` is raised by every call while it is set; `gate` makes the driver's version wait."""

    def __init__(self, *gpus: RecordedGpu, driver: str = "580.159.04") -> None:
        self.gpus = list(gpus)
        self.version = driver
        self.events: list[tuple[int | None, int]] = []
        self.fails: NvmlError | None = None
        self.gate: threading.Event | None = None
        self.opened = 0
        self.closed = 0

    def open(self) -> RecordedNvml:
        """As `open_nvml`."""
        if self.fails is not None:
            raise self.fails
        self.opened += 1
        return self

    def driver(self) -> str:
        if self.gate is not None:
            self.gate.wait()
        if self.fails is not None:
            raise self.fails
        return self.version

    def count(self) -> int:
        return len(self.gpus)

    def identity(self, index: int) -> Identity:
        return self._told(index, "identity", lambda gpu: gpu.identity)

    def memory(self, index: int) -> Bytes:
        return self._told(index, "memory", lambda gpu: gpu.memory)

    def bar1(self, index: int) -> Bytes:
        return self._told(index, "bar1", lambda gpu: gpu.bar1)

    def sessions(self, index: int) -> tuple[Session, ...]:
        return self._told(index, "sessions", lambda gpu: gpu.sessions)

    def utilisation(self, index: int) -> tuple[int, int]:
        return self._told(index, "utilisation", lambda gpu: gpu.utilisation)

    def processes(self, index: int) -> tuple[tuple[int, int | None], ...]:
        return self._told(index, "processes", lambda gpu: gpu.processes)

    def busy(self, index: int) -> tuple[tuple[int, int, int], ...]:
        return self._told(index, "busy", lambda gpu: gpu.busy)

    def xids(self) -> tuple[tuple[int | None, int], ...]:
        told, self.events = tuple(self.events), []
        return told

    def close(self) -> None:
        self.closed += 1

    def _told(self, index: int, name: str, value: Callable[[RecordedGpu], _T]) -> _T:
        gpu = self.gpus[index]
        if name in gpu.fails:
            raise gpu.fails[name]
        return value(gpu)
