"""What must be true in a calm, and what must be left at the end: nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from steadycast.tracking import proc
from tests.support.chaos.config import CAP
from tests.support.chaos.processes import PLANE, census
from tests.support.chaos.watch import Watch
from tests.support.chaos.world import World
from tests.support.outside import stale_files

DESCRIPTORS = 8  # more than an idle host that adopted nothing: what was adopted is watched in another way
THREADS = 4 + (os.cpu_count() or 1) + 6  # pools grow up to their bounds: asyncio's own, looks, measures, evidence
GROWTH = 40 << 20  # bytes that a control plane may grow by, for caches and the allocator
SLOPE_LOOKS = 12  # memory is fitted once there are as many looks at one control plane
SLOPE = 256 << 10  # bytes a wave


class Ending:
    """Counts the host when idle, and compares."""

    def __init__(self, world: World, watch: Watch) -> None:
        self._world = world
        self._watch = watch
        self._idle: dict[str, int] = {}
        self._files = 0
        self.memory: dict[int, list[int]] = {}  # bytes in each calm, by control plane

    async def note_idle(self) -> None:
        """The host has no lobby yet."""
        self._idle = census(self._world.plane.pid)
        self._files = len(_files(self._world.plane.runtime))
        self._world.note(f"idle: {self._idle}, {self._files} files")

    def measure(self) -> None:
        """Memory of the control plane, in a calm."""
        if found := proc.memory(self._world.plane.pid):
            looks = self.memory.setdefault(self._world.plane.pid, [])
            looks.append(found.pss)
            if looks[-1] - looks[0] > GROWTH:
                self._world.finding(f"the control plane grew from {looks[0] >> 20} to {looks[-1] >> 20} MiB")
            if len(looks) >= SLOPE_LOOKS and (rise := _slope(looks[2:])) > SLOPE:
                self._world.finding(f"the control plane grows by {rise / 1024:.0f} KiB a wave: {looks}")

    async def untrue(self) -> list[str]:
        """What in the host's books is not so in a calm."""
        plane, wrong = self._world.plane, []
        asked = time.monotonic()
        views, viewers = await plane.items("lobbies"), await plane.items("viewers")
        leases = await plane.items("leases")
        if views is None or viewers is None or leases is None:
            return ["no answer"]
        wrong += self._world.book.compare(views, asked)
        wrong += [f"lobby {one['key']} is {one['state']}: {one['why']}" for one in views if one["state"] != "STREAMING"]
        wrong += self._viewers(viewers, {one["id"]: one["key"] for one in views})
        wrong += self._leases(leases, views)
        return wrong

    def _viewers(self, told: list[dict[str, Any]], keys: dict[str, str]) -> list[str]:
        """As many a lobby as really watch."""
        real: dict[str, int] = {}
        seen: dict[str, int] = {}
        for one in self._world.viewers:
            real[one.lobby] = real.get(one.lobby, 0) + 1
        for view in told:
            key = keys.get(view["lobby"], view["lobby"])
            seen[key] = seen.get(key, 0) + 1
        return [
            f"lobby {key}: {real.get(key, 0)} watch, the host names {seen.get(key, 0)}"
            for key in sorted(real.keys() | seen.keys())
            if real.get(key, 0) != seen.get(key, 0)
        ]

    def _leases(self, leases: list[dict[str, Any]], views: list[dict[str, Any]]) -> list[str]:
        """What runs on hardware has one, and nothing else."""
        lent: dict[str, int] = {}
        for one in leases:
            if one["quota"].startswith("sessions:"):
                lent[one["lobby"]] = lent.get(one["lobby"], 0) + one["amount"]
        wrong = []
        for view in views:
            runs = sum(bool(r["running"] and r["seat"] and r["seat"]["hardware"]) for r in view["renditions"])
            if runs != lent.pop(view["id"], 0):
                wrong.append(f"lobby {view['key']}: {runs} on hardware, and leases {leases}")
        wrong += [f"{number} sessions lent to {lobby}" for lobby, number in lent.items()]
        return wrong if sum(lent.values()) <= CAP else [*wrong, "more than the cap"]

    async def receipts(self) -> list[str]:
        """Workers that are gone and have no receipt."""
        told = await self._world.plane.items("receipts")
        if told is None:
            return ["no answer"]
        have = {one["worker"] for one in told}
        return [
            f"worker {worker} of {self._watch.workers[worker]['kind']} is gone without a receipt"
            for worker in sorted(self._watch.left)
            if worker not in have
        ]

    async def left(self) -> list[str]:
        """What the host holds that an idle one does not."""
        plane = self._world.plane
        now, wrong = census(plane.pid), []
        for kind in now.keys() | self._idle.keys():
            room = THREADS if kind == "threads" else DESCRIPTORS
            if now.get(kind, 0) > self._idle.get(kind, 0) + room:
                wrong.append(f"{kind}: {self._idle.get(kind, 0)} -> {now[kind]}")
        files = _files(plane.runtime)
        if len(files) > self._files + 4:
            wrong.append(f"files: {self._files} -> {files}")
        leases, viewers = await plane.items("leases"), await plane.items("viewers")
        wrong += [f"lease {one}" for one in leases or ()] + [f"viewer {one}" for one in viewers or ()]
        wrong += [f"display :{one}: {stale_files(one)}" for one in sorted(self._watch.displays) if stale_files(one)]
        return wrong + await self.receipts()

    async def alive(self) -> list[str]:
        """Processes that outlive the host, and files that it leaves in the runtime folder."""
        processes = self._world.processes.look(self._world.plane.pid)
        left = [f"process {one.pid} {one.what} {one.worker}" for one in processes if one.what != PLANE]
        return left + [f"file {name}" for name in _files(self._world.plane.runtime) if name.endswith(".json")]


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _slope(values: list[int]) -> float:
    """Of a line of least squares, per step."""
    n = len(values)
    middle, mean = (n - 1) / 2, sum(values) / n
    over = sum((i - middle) * (value - mean) for i, value in enumerate(values))
    return over / sum((i - middle) ** 2 for i in range(n))
