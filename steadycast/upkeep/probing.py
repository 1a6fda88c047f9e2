"""What is done to a suspect among our own workers: Python's cycles collected, malloc trimmed, measured again.

`judge` is pure; the rest asks the worker. A worker goes on while it is asked: this takes it some milliseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from steadycast.errors import SteadycastError
from steadycast.lobbies.lobbies import Lobbies
from steadycast.model import Finding, Measures, ProbeOutcome, Resource
from steadycast.upkeep.owners import Board

SETTLE_S = 5.0  # for the worker to answer
REST_S = 2.0  # after it, until it is measured: the kernel and its other threads have their turn
GIVEN_BACK = 0.5  # of what grew too much: more of it is gone, and it was only kept
PROBING = 8  # at the same time
Outcome = Callable[[str, ProbeOutcome], None]

_PRIVATE = frozenset({Resource.PRIVATE, Resource.PSS, Resource.USS, Resource.RSS})
_INSIDE = frozenset({Resource.IN_USE, Resource.PYTHON})


@dataclass(frozen=True, slots=True)
class Weighed:
    """A worker before and after it let go of what nobody uses; None where it could not be measured."""

    before: Measures | None
    after: Measures | None
    settled: Mapping[str, Any]


def judge(finding: Finding, weighed: Weighed, began: float, took: float) -> ProbeOutcome:
    """Whether it is lost or was only kept. Times in Unix seconds and seconds."""
    before, after = _level(finding, weighed, "before"), _level(finding, weighed, "after")
    steps = [f"collected {weighed.settled.get('collected')} Python objects"]
    steps.append("malloc gave back what it could" if weighed.settled.get("trimmed") else "malloc cannot give back here")
    if before is None or after is None:
        why = "it could not be measured before and after"
        return ProbeOutcome(began, took, tuple(steps), None, why)
    steps.append(f"{finding.measured.resource}: {before:,.0f} before, {after:,.0f} after")
    given = before - after
    if finding.grown and given >= finding.grown * GIVEN_BACK:
        why = f"{given:,.0f} of the {finding.grown:,.0f} that it grew were given back when asked: kept, not lost"
        return ProbeOutcome(began, took, tuple(steps), False, why)
    retained = _told(weighed.settled, "after", "retained")
    if finding.measured.resource in _PRIVATE and retained and finding.grown and retained >= finding.grown:
        why = f"malloc keeps {retained:,.0f} bytes that nobody uses, more than it grew: fragments, not lost"
        return ProbeOutcome(began, took, tuple(steps), False, why)
    return ProbeOutcome(began, took, tuple(steps), True, "nothing of it was given back when asked")


class Prober:
    """Asks workers, each once at a time."""

    def __init__(self, lobbies: Lobbies, board: Board) -> None:
        self._lobbies = lobbies
        self._board = board
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def probe(self, finding: Finding, done: Outcome) -> None:
        """Begin; `done` gets the id of the finding and what came of it. Nothing where one is under way, or too many."""
        if finding.id in self._tasks or len(self._tasks) >= PROBING:
            return
        task = asyncio.get_running_loop().create_task(self._probe(finding, done), name=f"probe of {finding.id}")
        self._tasks[finding.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(finding.id, None))

    async def close(self) -> None:
        """What is under way is given up."""
        tasks = set(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _probe(self, finding: Finding, done: Outcome) -> None:
        began, start = time.time(), time.monotonic()
        worker = self._board.worker(finding.owner.role)
        pid = finding.owner.pid
        if worker is None or pid is None:
            why = "it is no worker that can be asked"
            done(finding.id, ProbeOutcome(began, 0.0, (), None, why))
            return
        try:
            before = await self._lobbies.measure(pid)
            settled = await self._lobbies.settle(worker, SETTLE_S)
            await asyncio.sleep(REST_S)
            weighed = Weighed(before, await self._lobbies.measure(pid), settled)
        except SteadycastError as error:
            done(
                finding.id, ProbeOutcome(began, time.monotonic() - start, (), None, f"it did not answer: {error.what}")
            )
            return
        done(finding.id, judge(finding, weighed, began, time.monotonic() - start))


def _level(finding: Finding, weighed: Weighed, when: str) -> float | None:
    """What the finding is about, before or after; None where that cannot be told."""
    resource = finding.measured.resource
    if resource in _INSIDE:
        return _told(weighed.settled, when, "in_use" if resource is Resource.IN_USE else "blocks")
    measures = weighed.before if when == "before" else weighed.after
    if measures is None:
        return None
    if resource in _PRIVATE:
        return measures.pss if resource is Resource.PSS else measures.private_dirty
    if resource is Resource.VRAM:
        return measures.vram
    counts = {Resource.DESCRIPTORS: measures.descriptors, Resource.THREADS: measures.threads}.get(resource)
    if counts is None:
        return None
    detail = finding.measured.detail
    return float(counts.get(detail, 0) if detail else sum(counts.values()))


def _told(settled: Mapping[str, Any], when: str, name: str) -> float | None:
    told = settled.get(when)
    value = told.get(name) if isinstance(told, dict) else None
    return float(value) if isinstance(value, int) else None
