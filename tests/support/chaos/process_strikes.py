"""Strikes at processes of workers: SIGKILL, SIGSTOP for a while or for ever, and little memory."""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from pathlib import Path

from tests.support.chaos import config
from tests.support.chaos.processes import APPLICATION, DISPLAY, EGRESS, OTHER, Seen, X, send
from tests.support.chaos.schedule import Strike
from tests.support.chaos.touches import EVERYBODY, Touch
from tests.support.chaos.world import World

SAFE_STOP_S = config.SILENCE_S - config.HEARTBEAT_S  # one that is stopped no longer than this is not ended
MARGIN_BYTES = 4 << 20  # memory that a worker may still take


def _chosen(world: World, strike: Strike, among: list[Seen]) -> Seen | None:
    if not among:
        world.skip(strike.kind, "there is none now")
        return None
    return among[strike.choose(len(among))]


def _kill(world: World, one: Seen) -> None:
    world.note(f"  SIGKILL {one.what} {one.worker} {one.pid}")
    send(one.pid, signal.SIGKILL)


def _stop(world: World, one: Seen, strike: Strike) -> None:
    world.note(f"  SIGSTOP {one.what} {one.worker} {one.pid}")
    if not send(one.pid, signal.SIGSTOP) or strike.lasts is None:
        return

    async def go_on(after: float) -> None:
        await asyncio.sleep(after)
        world.note(f"  SIGCONT {one.what} {one.pid}")
        send(one.pid, signal.SIGCONT)

    world.spawn(go_on(strike.lasts))


def _hangs_s(strike: Strike) -> float:
    """From a SIGSTOP until the worker goes on, or is gone."""
    return strike.lasts if strike.lasts is not None and strike.lasts < SAFE_STOP_S else config.HUNG_S


async def kill_lobby(world: World, strike: Strike) -> None:
    if one := _chosen(world, strike, world.lobby_workers(spare=False)):
        world.touch_worker(one, 0.0, "its worker was killed")
        _kill(world, one)


async def stop_lobby(world: World, strike: Strike) -> None:
    if one := _chosen(world, strike, world.lobby_workers(spare=False)):
        world.touch_worker(one, _hangs_s(strike), "its worker was stopped")
        _stop(world, one, strike)


async def kill_spare(world: World, strike: Strike) -> None:
    if one := _chosen(world, strike, world.lobby_workers(spare=True)):
        world.touch_worker(one, 0.0, "a spare was killed")
        _kill(world, one)


async def stop_spare(world: World, strike: Strike) -> None:
    if one := _chosen(world, strike, world.lobby_workers(spare=True)):
        world.touch_worker(one, _hangs_s(strike), "a spare was stopped")
        _stop(world, one, strike)


async def kill_egress(world: World, strike: Strike) -> None:
    if one := _chosen(world, strike, world.of_kind(EGRESS)):
        world.touch(EVERYBODY, 0.0, "an egress worker was killed")
        _kill(world, one)


async def stop_egress(world: World, strike: Strike) -> None:
    if one := _chosen(world, strike, world.of_kind(EGRESS)):
        world.touch(EVERYBODY, _hangs_s(strike), "an egress worker was stopped")
        _stop(world, one, strike)


async def kill_own(world: World, strike: Strike) -> None:
    """What the control plane starts for a moment: trials of encoders, plans of pipelines."""
    own = [one for one in world.of_kind(OTHER) if one.parent == world.plane.pid and "steadycast" in one.command]
    if one := _chosen(world, strike, own):
        world.touch(EVERYBODY, 0.0, "a child of the control plane was killed")
        _kill(world, one)


async def kill_display(world: World, strike: Strike) -> None:
    if one := _chosen(world, strike, world.of_kind(DISPLAY)):
        world.touch_worker(one, 0.0, "its display worker was killed")
        _kill(world, one)


async def stop_display(world: World, strike: Strike) -> None:
    if one := _chosen(world, strike, world.of_kind(DISPLAY)):
        world.touch_worker(one, _hangs_s(strike), "its display worker was stopped")
        _stop(world, one, strike)


async def kill_x(world: World, strike: Strike) -> None:
    if one := _chosen(world, strike, world.of_kind(X)):
        world.touch_worker(one, 0.0, "its X server was killed")
        _kill(world, one)


async def stop_x(world: World, strike: Strike) -> None:
    """The capture stands still as long, and its worker may be taken for stalled."""
    if one := _chosen(world, strike, world.of_kind(X)):
        world.touch_worker(one, (strike.lasts or 0.0) + config.STALLED_S, "its X server was stopped")
        _stop(world, one, strike)


async def kill_application(world: World, strike: Strike) -> None:
    """One that ends soon after its start stays down until a person acts: the caretaker does."""
    if one := _chosen(world, strike, world.of_kind(APPLICATION)):
        world.touch_worker(one, 0.0, "its application was killed")
        _kill(world, one)


async def stop_application(world: World, strike: Strike) -> None:
    """The picture stands still, and goes on being sent."""
    if one := _chosen(world, strike, world.of_kind(APPLICATION)):
        _stop(world, one, strike)


async def kill_camera(world: World, strike: Strike) -> None:
    async def away(touch: Touch) -> None:
        async with world.turn(strike, world.camera.lock) as mine:
            if mine:
                await world.camera.kill()
                await asyncio.sleep(strike.lasts or 0.0)
                await world.camera.start()
            touch.until = time.monotonic() + config.CAMERA_BACK_S

    world.spawn(away(world.touch("cam", float("inf"), "the camera was killed")))


async def freeze_camera(world: World, strike: Strike) -> None:
    async def away(touch: Touch) -> None:
        async with world.turn(strike, world.camera.lock) as mine:
            if mine:
                world.camera.freeze(True)
                await asyncio.sleep(strike.lasts or 0.0)
                world.camera.freeze(False)
            touch.until = time.monotonic() + config.CAMERA_BACK_S

    world.spawn(away(world.touch("cam", float("inf"), "the camera froze")))


async def little_memory(world: World, strike: Strike) -> None:
    """RLIMIT_AS just above what the worker has: whatever it wants to have more of is refused."""
    one = _chosen(world, strike, world.lobby_workers(spare=False))
    if one is None:
        return
    touch = world.touch_worker(one, strike.lasts or 0.0, "its worker got no memory")
    try:
        has = _address_space(one.pid)
        before = resource.prlimit(one.pid, resource.RLIMIT_AS, (has + MARGIN_BYTES, resource.RLIM_INFINITY))
    except (OSError, ValueError, IndexError) as error:
        world.skip(strike.kind, str(error))
        return
    world.note(f"  {one.worker} {one.pid} may have {(has + MARGIN_BYTES) >> 20} MiB")

    async def enough() -> None:
        await asyncio.sleep(strike.lasts or 0.0)
        touch.until = max(touch.until, time.monotonic() + config.STALLED_S)
        try:
            resource.prlimit(one.pid, resource.RLIMIT_AS, before)
        except OSError:
            return  # it is gone

    world.spawn(enough())


def _address_space(pid: int) -> int:
    """Bytes; proc(5), the first field of statm in pages."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
