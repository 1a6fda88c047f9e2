"""A control plane to be killed, as its test has it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from steadycast.model import Receipt
from steadycast.workers.adoption import Adoption

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class KilledPlane:
    """`told` are the numbers that it told once its workers were there."""

    process: subprocess.Popen[str]
    told: list[int]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


async def ended(adoption: Adoption) -> list[Receipt]:
    """Receipts of those that were not adopted, once they are gone."""
    return [await asyncio.wait_for(one.gone, 60) for one in adoption.refused]


@contextmanager
def control_plane(runtime: Path, orphan_timeout_s: float, mode: str) -> Iterator[KilledPlane]:
    """One with the workers of a mode of `tests.support.control_plane`."""
    command = [sys.executable, "-m", "tests.support.control_plane", str(runtime), str(orphan_timeout_s), mode]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            while not line.replace(" ", "").strip().isdigit():  # the log comes before
                assert line, "the control plane ended"
                line = process.stdout.readline()
            yield KilledPlane(process, [int(word) for word in line.split()])
        finally:
            process.kill()


@contextmanager
def sleeper(own: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own."""
    with subprocess.Popen(["sleep", "600"], env=own, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()
