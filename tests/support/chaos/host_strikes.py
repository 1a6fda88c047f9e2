"""Strikes at the control plane and what it stands on: its process, its disk, its descriptors, its clock."""

from __future__ import annotations

import asyncio
import json
import math
import resource
import signal
import time

from steadycast.tracking import proc
from tests.support.chaos import config
from tests.support.chaos.processes import send
from tests.support.chaos.schedule import Strike
from tests.support.chaos.touches import EVERYBODY
from tests.support.chaos.world import World

AFTERWARDS_S = 2.5  # what had to fail meanwhile was tried again by then
DESCRIPTORS = 3  # that it may still open
EXIT_USAGE = 2
HOURS = (-48, -1, 1, 24)


async def _again(world: World, strike: Strike, number: signal.Signals) -> None:
    plane = world.plane
    async with world.turn(strike) as mine:
        if not mine:
            return
        code = await plane.kill(number)
        expected = -number if number is signal.SIGKILL else 0
        if code != expected:
            world.finding(f"the control plane ended by {number.name} with {code}")
        await asyncio.sleep(strike.lasts or 0.0)
        await plane.start()


async def kill_plane(world: World, strike: Strike) -> None:
    world.spawn(_again(world, strike, signal.SIGKILL))


async def quit_plane(world: World, strike: Strike) -> None:
    """An upgrade: SIGQUIT leaves all to the next one."""
    world.spawn(_again(world, strike, signal.SIGQUIT))


async def stop_plane(world: World, strike: Strike) -> None:
    async def stop() -> None:
        async with world.turn(strike) as mine:
            if mine:
                await world.plane.freeze(strike.lasts or 0.0)

    world.spawn(stop())


async def start_read_only(world: World, strike: Strike) -> None:
    """A control plane whose state may not be written says so and ends; the next one finds all as it was."""
    if not world.ground.small:
        return world.skip(strike.kind, "this machine allows no mounts of our own")
    plane, disk = world.plane, world.ground.disk
    script = f'mount --bind {disk} {disk} && mount -o remount,bind,ro {disk} && exec "$@"'

    async def start() -> None:
        async with world.turn(strike) as mine:
            if not mine:
                return
            await plane.kill()
            code = await plane.second(["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"])
            if code != EXIT_USAGE:
                world.finding(f"a control plane with read-only state exited with {code}")
            await plane.start()

    return world.spawn(start())


async def second_plane(world: World, strike: Strike) -> None:
    """It must see that there is one, end with 2, and touch nothing."""

    async def second() -> None:
        plane = world.plane
        async with world.turn(strike) as mine:
            if not mine:
                return
            workers = {one.worker for one in world.of_kind("lobby", "egress", "display")}
            told = (plane.runtime / "host.json").read_text()
            code = await plane.second()
            if code != EXIT_USAGE:
                world.finding(f"a second control plane on the same state exited with {code}")
            if (now := (plane.runtime / "host.json").read_text()) != told or json.loads(now)["pid"] != plane.pid:
                world.finding(f"a second control plane changed host.json: {told} to {now}")
            world.note(f"  the second one ended with {code}, beside {len(workers)} workers")

    world.spawn(second())


async def fill_disk(world: World, strike: Strike) -> None:
    if not world.ground.small:
        return world.skip(strike.kind, "this machine allows no mounts of our own")
    touch = world.touch(EVERYBODY, math.inf, "the disk was full")

    async def full() -> None:
        async with world.turn(strike) as mine:  # one that starts needs room, and says so: that is `start_read_only`
            touch.until = math.inf if mine else time.monotonic()
            if not mine:
                return
            await asyncio.to_thread(world.ground.fill)
            world.note("  the disk is full")
            await asyncio.sleep(strike.lasts or 0.0)
            await asyncio.to_thread(world.ground.empty)
            world.note("  the disk has room again")
            touch.until = time.monotonic() + AFTERWARDS_S

    return world.spawn(full())


async def read_only(world: World, strike: Strike) -> None:
    """For a while nothing can be made in the state folder; what is open goes on."""
    if not world.ground.small:
        return world.skip(strike.kind, "this machine allows no mounts of our own")
    disk, touch = world.ground.disk, world.touch(EVERYBODY, math.inf, "the state could only be read")

    async def only_read() -> None:
        async with world.turn(strike) as mine:
            touch.until = math.inf if mine else time.monotonic()
            if not mine:
                return
            await world.ground.shell(f"mount --bind {disk} {disk} && mount -o remount,bind,ro {disk}")
            world.note("  the state may only be read")
            await asyncio.sleep(strike.lasts or 0.0)
            await world.ground.shell(f"umount -l {disk}")
            world.note("  the state may be written again")
            touch.until = time.monotonic() + AFTERWARDS_S

    return world.spawn(only_read())


async def few_descriptors(world: World, strike: Strike) -> None:
    """Meanwhile the control plane may answer nobody; all works again afterwards."""
    touch = world.touch(EVERYBODY, math.inf, "the control plane had no descriptors")

    async def few() -> None:
        async with world.turn(strike) as mine:
            touch.until = math.inf if mine else time.monotonic()
            if not mine:
                return
            pid, numbers = world.plane.pid, resource.RLIMIT_NOFILE
            _, hard = resource.prlimit(pid, numbers)
            highest = max(proc.descriptors(pid) or {0: ""})
            world.starved_until = math.inf
            resource.prlimit(pid, numbers, (highest + 1 + DESCRIPTORS, hard))
            world.note(f"  the control plane may have {highest + 1 + DESCRIPTORS} descriptors")
            await asyncio.sleep(strike.lasts or 0.0)
            resource.prlimit(pid, numbers, (hard, hard))
            world.starved_until = time.monotonic() + AFTERWARDS_S
            touch.until = world.starved_until
            world.note("  the control plane may have as many as it likes")

    world.spawn(few())


async def jump_clock(world: World, strike: Strike) -> None:
    """The wall clock of the host; it stays wrong."""
    if world.plane.clock is None:
        return world.skip(strike.kind, "libfaketime is not in this distribution")
    hours = HOURS[strike.choose(len(HOURS))]
    world.note(f"  the clock is wrong by {hours} h")
    return world.plane.jump(hours * 3600.0)


async def reload(world: World, strike: Strike) -> None:
    """SIGHUP with a file that says something else, or one that is no good."""
    linger = 1.0 + round(strike.amount * 4) / 4
    extra = "[recycle]\nlook_s = -1\n" if strike.pick < 0.3 else ""  # fmt: skip

    async def load() -> None:
        async with world.turn(strike) as mine:
            if not mine:
                return
            world.plane.config.write_text(config.config(world.media, linger_s=linger, extra=extra))
            world.note(f"  linger_s = {linger}{', and a mistake' if extra else ''}")
            send(world.plane.pid, signal.SIGHUP)
            await asyncio.sleep(1.0)
            if extra:  # the next one that starts reads it too
                world.plane.config.write_text(config.config(world.media, linger_s=linger))

    world.spawn(load())
