"""What people and programs do to a host, some of it badly: crowds, visitors, equal keys, slow readers, faults of a
driver, and the ordinary verbs of an operator."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.chaos import config
from tests.support.chaos.schedule import Strike
from tests.support.chaos.touches import Touch
from tests.support.chaos.viewers import Whep
from tests.support.chaos.world import FIRST, World
from tests.support.storm_viewers import Gone, Refused, RtspPlayer, stop

CROWD = 50
CROWD_WHEP = 10
KEYS = ("k0", "k1", "k2")
SMALL = {"kind": "test", "width": 160, "height": 90, "fps": 10}
CALLERS = 3
VERB_S = 40.0
CALM = {
    "refuse_next": 0, "steal_slot": 0, "hang_on_open": 0, "fail_after_frames": 0, "stall_after_frames": 0,
    "driver_lost": 0, "memory_copies": 0, "foreign_sessions": 0,
}  # fmt: skip
# Name, value, and seconds beyond its end in which no picture may be possible.
FAULTS = (
    ("refuse_next", 2, 0.0),
    ("steal_slot", 2, 0.0),
    ("foreign_sessions", 2, 0.0),
    ("fail_after_frames", 10, 0.0),
    ("driver_lost", 1, 0.0),
    ("hang_on_open", 1, config.OPEN_S + config.LADDER_S),
    ("stall_after_frames", 10, config.STALLED_S),
)


async def _come_and_go(world: World, player: RtspPlayer | Whep, stays: float, *, goodbye: bool) -> None:
    async def watch() -> None:
        with contextlib.suppress(Refused, Gone, TimeoutError):
            await player.start()
            while True:
                await player.frame()

    watching = asyncio.create_task(watch())
    await asyncio.wait({watching}, timeout=stays)
    await stop(watching)
    await player.leave(goodbye=goodbye)


def _player(world: World, lobby: str, *, whep: bool) -> RtspPlayer | Whep:
    return Whep(world.plane.http, lobby) if whep else RtspPlayer(world.plane.rtsp, lobby)


async def crowd(world: World, strike: Strike) -> None:
    """Fifty come at once, and leave without goodbye."""
    for number in range(CROWD):
        player = _player(world, FIRST[number % 2], whep=number < CROWD_WHEP)
        world.spawn(_come_and_go(world, player, strike.lasts or 0.0, goodbye=False))


async def visit(world: World, strike: Strike) -> None:
    """Somebody comes, and goes in one of several ways at any moment."""
    player = _player(world, FIRST[strike.choose(len(FIRST))], whep=strike.amount < 0.5)
    world.spawn(_come_and_go(world, player, strike.lasts or 0.0, goodbye=strike.pick < 0.5))


async def slow_reader(world: World, strike: Strike) -> None:
    """One that plays and reads nothing any more; the host drops it, or it goes."""

    async def read_nothing() -> None:
        player = RtspPlayer(world.plane.rtsp, FIRST[strike.choose(len(FIRST))])
        with contextlib.suppress(Refused, Gone, TimeoutError):
            await player.start()
            await player.frame()
        if hasattr(player, "_writer"):
            player._writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(strike.lasts or 0.0)
        await player.leave(goodbye=False)

    world.spawn(read_nothing())


async def equal_keys(world: World, strike: Strike) -> None:
    """Callers create one key at the same time and get one lobby; others delete it meanwhile."""
    key = KEYS[strike.choose(len(KEYS))]

    async def storm() -> None:
        book, request = world.book, {"source": SMALL, "encoders": {"hardware": "forbid"}}
        told = await asyncio.gather(*(book.create(key, request) for _ in range(CALLERS)))
        if len({one for one in told if one is not None}) > 1 and not world.touches.down(time.monotonic(), VERB_S):
            world.finding(f"callers of one key got several lobbies: {key} {told}")
        await asyncio.sleep(strike.lasts or 0.0)
        orders: list[Awaitable[Any]] = [book.delete(key), book.delete(key)]
        if strike.amount < 0.5:
            orders.append(book.create(key, request))
        await asyncio.gather(*orders)
        if strike.amount < 0.5:
            book.entries[key].maybe = True  # which of them came last?
            await book.settle()

    if key in world.book.entries and world.book.entries[key].busy:
        return world.skip(strike.kind, "the key is in use")
    return world.spawn(storm())


async def fault(world: World, strike: Strike) -> None:
    """Of the simulated driver, for all lobbies that like hardware."""
    name, value, more_s = FAULTS[strike.choose(len(FAULTS))]
    lasts = (strike.lasts or 0.0) + more_s

    async def strike_driver() -> None:
        world.note(f"  {name} = {value}")
        touched = [world.touch(key, float("inf"), f"the driver had {name}") for key in FIRST if key != "soft"]
        await world.plane.ask("PUT", "/api/v1/system/simulated/faults", {name: value})
        await asyncio.sleep(strike.lasts or 0.0)
        while (answer := await world.plane.ask("PUT", "/api/v1/system/simulated/faults", {name: 0})) is None:
            await asyncio.sleep(0.2)
        if answer.status_code != 200:
            world.note(f"  fault {name} over: {answer.status_code} {answer.text[:200]}")
        _over(touched, lasts - (strike.lasts or 0.0))
        world.note(f"  {name} is over")

    world.spawn(strike_driver())


def _over(touched: list[Touch], more_s: float) -> None:
    for touch in touched:
        touch.until = time.monotonic() + more_s


async def recycle(world: World, strike: Strike) -> None:
    await _verb(world, strike, lambda key: world.plane.ask("POST", f"/api/v1/lobbies/{key}/recycle"))


async def patch(world: World, strike: Strike) -> None:
    """Another name, size or policy."""
    dice = random.Random(strike.amount)
    size = dice.choice(((160, 90), (240, 136), (320, 180)))
    main = {"name": "main", "width": size[0], "height": size[1], "fps": dice.choice((10, 15))}
    change = dice.choice(({"name": f"Name {strike.amount:.3f}"}, {"renditions": [main]}))
    await _verb(world, strike, lambda key: _patched(world, key, change))


async def _patched(world: World, key: str, change: dict[str, Any]) -> Any:
    touch = world.touch(key, float("inf"), "it was changed") if "renditions" in change else None
    try:
        return await world.plane.ask("PATCH", f"/api/v1/lobbies/{key}", change)
    finally:
        if touch is not None:
            touch.until = time.monotonic()


async def _verb(world: World, strike: Strike, ask: Callable[[str], Awaitable[Any]]) -> None:
    key = FIRST[strike.choose(len(FIRST))]

    async def do() -> None:
        began = time.monotonic()
        answer = await ask(key)
        text = "no answer" if answer is None else f"{answer.status_code} {answer.text[:160]}"
        world.note(f"  {strike.kind} {key}: {text} after {time.monotonic() - began:.1f} s")

    world.spawn(do())
