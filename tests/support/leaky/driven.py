"""Drives a leaky program and looks at it from outside after each cycle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from steadycast.model.findings import FindingChange, FindingEvent
from steadycast.model.series import About, Look, Measured, Owner, Resource
from steadycast.tracking import proc
from steadycast.tracking.leaks.detection import Detection

ROOT = Path(__file__).parents[3]
_STEP = 60.0  # seconds on the clock of the looks from one cycle to the next
Outside = Callable[[int], dict[Measured, float]]


class Absent(Exception):
    """This machine has not what the program needs; why, in words."""


class Leaky:
    """One running program."""

    def __init__(self, kind: str, *options: str) -> None:
        self.kind = kind
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.cycles = 0
        self.inside: dict[str, int] = {}

    def __enter__(self) -> Leaky:
        command = [sys.executable, "-m", "tests.support.leaky.program", self.kind, *self._options]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
        )
        self._hear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def cycle(self, count: int = 1) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        self._hear()

    def look(self, outside: Outside | None = None) -> Look:
        values = (outside or measured)(self.pid)
        if "in_use" in self.inside:
            values[Measured(Resource.IN_USE)] = self.inside["in_use"]
            values[Measured(Resource.RETAINED)] = self.inside["retained"]
        if "blocks" in self.inside:
            values[Measured(Resource.PYTHON)] = self.inside["blocks"]
        owner = Owner(f"leaky/{self.kind}", f"{self.pid}:0", self.pid, About(command=f"leaky {self.kind}"))
        when = 1000.0 + _STEP * self.cycles
        finished = {"session": self.cycles} if self.cycles else {}
        return Look(owner, 1.8e9 + when, when, values, finished=finished, quiet=True)

    def _hear(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        told: dict[str, Any] = json.loads(self._process.stdout.readline() or '{"missing": "it ended"}')
        if "missing" in told:
            raise Absent(str(told["missing"]))
        self.cycles = int(told.pop("cycles"))
        self.inside = told


def measured(pid: int) -> dict[Measured, float]:
    """Descriptors by kind, threads by name, children and zombies, private memory."""
    values: dict[Measured, float] = {}
    for resource, found in (
        (Resource.DESCRIPTORS, proc.descriptors_by_kind(pid) or {}),
        (Resource.THREADS, proc.threads_by_name(pid) or {}),
    ):
        values[Measured(resource)] = sum(found.values())
        values.update({Measured(resource, name): count for name, count in found.items()})
    found_children = [one for child in proc.children(pid) if (one := proc.stat(child)) is not None]
    children = Counter(one.name for one in found_children if one.state != "Z")
    values[Measured(Resource.CHILDREN)] = sum(children.values())
    values.update({Measured(Resource.CHILDREN, name): count for name, count in children.items()})
    values[Measured(Resource.ZOMBIES)] = sum(
        1 for one in proc.children(pid) if (s := proc.stat(one)) and s.state == "Z"
    )
    if (memory := proc.memory(pid)) is not None:
        values[Measured(Resource.PRIVATE)] = memory.private_dirty
    return values


def watch(
    leaky: Leaky,
    cycles: int,
    until: Iterable[FindingChange] = (),
    outside: Outside | None = None,
) -> tuple[list[tuple[int, FindingEvent]], Detection]:
    """Lets cycles come and go, each looked at; ends early at the first event `until` names. Events with their cycle."""
    detection, events, ends = Detection(), [], set(until)
    for _ in range(cycles):
        leaky.cycle()
        found = detection.observe(leaky.look(outside))
        events += [(leaky.cycles, event) for event in found]
        if any(event.change in ends for event in found):
            break
    return events, detection


def gpu_memory(pid: int) -> dict[Measured, float]:
    """Of a process, with its descriptors and threads, asked of NVIDIA's driver."""
    import pynvml

    pynvml.nvmlInit()
    card = pynvml.nvmlDeviceGetHandleByIndex(0)
    used = 0
    for listing in (pynvml.nvmlDeviceGetGraphicsRunningProcesses, pynvml.nvmlDeviceGetComputeRunningProcesses):
        used = max([used, *(one.usedGpuMemory or 0 for one in listing(card) if one.pid == pid)])
    values = measured(pid)
    values[Measured(Resource.VRAM, os.environ.get("CUDA_VISIBLE_DEVICES", "0"))] = used
    return values
