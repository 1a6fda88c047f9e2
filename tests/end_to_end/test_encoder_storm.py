"""A seeded storm over simulated GPUs: lobbies, viewers, faults and kills at random. STEADYCAST_STORM_S makes it longer,
STEADYCAST_STORM_SEED repeats one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import time

import pytest

from tests.support.host import Host, running_host
from tests.support.storm import CAP, Storm, config
from tests.support.storm_viewers import Refused, RtspPlayer

pytestmark = [pytest.mark.process, pytest.mark.slow]

SECONDS = float(os.environ.get("STEADYCAST_STORM_S", "14"))
SEED = int(os.environ.get("STEADYCAST_STORM_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
WAVE_S = 12.0  # of storm, then calm
POOL_THREADS = 4  # of bounded pools, which start their threads when they need them
GROWTH = 40 << 20  # bytes that the control plane may grow by, for caches and the allocator


async def test_storm() -> None:
    sys.stderr.write(f"STEADYCAST_STORM_SEED={SEED}\n")
    with running_host(config(SEED)) as host:
        storm = Storm(host, SEED)
        watching = asyncio.create_task(storm.watch())
        try:
            await _blow(storm)
        finally:
            watching.cancel()
            await asyncio.wait({watching})
            sys.stderr.write("\n".join([*storm.log[-400:], *storm.gaps(), str(storm.told), ""]))
        if not watching.cancelled() and (error := watching.exception()) is not None:
            raise error
        assert not storm.findings, "\n".join(storm.findings)


async def _blow(storm: Storm) -> None:
    rounds = max(1, round(SECONDS / WAVE_S))
    await _warm_up(storm)
    before, rss = storm.host.census(), storm.truth.rss()
    for _ in range(rounds):
        await storm.blow(SECONDS / rounds)
        await storm.calm()
    for lobby in list(storm.lobbies):
        await storm.delete(lobby)
    await storm._until("nothing is left", lambda: _left(storm, before), 40)
    await _all_slots(storm)
    grown = storm.truth.rss() - rss
    storm.note(f"grown by {grown >> 20} MiB, {before}")
    if grown > GROWTH:
        storm.findings.append(f"the control plane grew by {grown >> 20} MiB")
    await storm.close()


async def _warm_up(storm: Storm) -> None:
    """Each kind of thing once, so that what is loaded and kept is there."""
    for _ in range(2):
        await storm.create({"hardware": "prefer", "when_full": "fallback"})
        await storm._set({"foreign_sessions": 1})
        await storm.calm()
    for lobby in list(storm.lobbies):
        await storm.delete(lobby)
    await storm._until("the host is idle", lambda: _idle(storm.host), 40)


async def _idle(host: Host) -> list[str]:
    first = await asyncio.to_thread(host.census)
    await asyncio.sleep(1.5)
    return [] if first == await asyncio.to_thread(host.census) else ["it changes"]


async def _left(storm: Storm, before: object) -> list[str]:
    """What is more than before."""
    after, wrong = await asyncio.to_thread(storm.host.census), []
    for name in ("descriptors", "threads", "children", "sockets"):
        spare = POOL_THREADS if name == "threads" else 0
        if getattr(after, name) > getattr(before, name) + spare:
            wrong.append(f"{name}: {getattr(before, name)} -> {getattr(after, name)}")
    for name in ("workers", "files"):
        if len(getattr(after, name)) > len(getattr(before, name)):
            wrong.append(f"{name}: {getattr(before, name)} -> {getattr(after, name)}")
    wrong += [f"session {one}" for one in await storm.truth.sessions()]
    wrong += [f"lease {one}" for one in await storm._items("leases")]
    return wrong


async def _all_slots(storm: Storm) -> None:
    """All sessions can be had again, and not one more."""
    await storm.http.post("/api/v1/devices/simulated:0/retry", json={})
    for _ in range(CAP):
        await storm.create({"hardware": "require", "when_full": "queue"})
    began = time.monotonic()

    async def dark() -> list[str]:
        return [f"{w.name} {w.doing} {w.refusals}" for ones in storm.watchers.values() for w in ones if w.last < began]

    await storm._until("every session can be had again", dark, 30)
    await storm.create({"hardware": "require", "when_full": "refuse"})
    lobby = list(storm.lobbies)[-1]
    player = RtspPlayer(storm.host.rtsp, lobby)
    with contextlib.suppress(Refused):
        await player.start()
        storm.findings.append("a session above the cap")
    await player.leave(goodbye=False)
