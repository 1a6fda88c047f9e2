"""Looks at a host under chaos from outside, all the time, and says what does not hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from steadycast.vendors.simulated.driver import SimulatedDriver
from tests.support.chaos import config
from tests.support.chaos.processes import OTHER, PLANE, Seen, displays
from tests.support.chaos.touches import AGAIN_S
from tests.support.chaos.viewers import Viewer
from tests.support.chaos.world import World

LOOK_S = 0.4
ANSWER_S = 1.0  # the API's promise
GIVE_UP_S = 15.0  # for an answer
EVERY_S = 0.1  # between looks at the viewers
# What nobody accounts for may be there so long: it is found to hang, and ends by the ladder; a lobby starts anew.
SETTLE_S = config.HUNG_S + config.LADDER_S + 4.0
ZOMBIE_S = 5.0
THROWAWAY_S = 30.0  # trials, canaries: the control plane's own children
FRESH_S = 3.0  # a host that has just started is still putting things in place


class Watch:
    """One for all the time. `seen` are displays that were ever served."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._driver = SimulatedDriver(world.plane.runtime / "simulated")
        self._odd: dict[str, float] = {}
        self._told: set[str] = set()
        self.workers: dict[str, dict[str, Any]] = {}  # all that the host ever named, by id
        self.left: set[str] = set()  # those of them that it did not name any more
        self.displays: set[int] = set()
        self._cared: set[str] = set()
        self.answers: list[float] = []

    async def run(self) -> None:
        """Until cancelled."""
        tasks = [asyncio.create_task(one()) for one in (self._measure, self._ask, self._look_on)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _measure(self) -> None:
        """The driver's own loop, and the viewers."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(EVERY_S)
            now = time.monotonic()
            self._world.lag.told_by_loop(before, now, EVERY_S)
            before = now
            for viewer in self._world.viewers:
                self._judge(viewer)
                for refusal in [one for one in viewer.refusals if one.startswith("500")]:
                    self._world.finding(f"{viewer.name} was refused: {refusal}")

    def _judge(self, viewer: Viewer) -> None:
        world, now = self._world, time.monotonic()
        if viewer.dark_s < AGAIN_S:
            return
        possible = world.touches.possible_from(viewer.lobby, viewer.last, comes=not viewer.has_session)
        if not world.verdict.judge(f"{viewer.name} saw nothing since {viewer.last:.1f}", possible, AGAIN_S, now):
            return
        why = [f"{now - touch.at:.1f} s ago {touch.what}" for touch in world.touches.of(viewer.lobby, viewer.last)]
        world.late(
            f"{viewer.name} saw nothing for {viewer.dark_s:.1f} s, {now - possible:.1f} s since it was possible"
            f" ({world.lag.worked(possible, now):.1f} s weighed; {viewer.doing}): "
            f"{'; '.join(why) or 'nobody had touched it'}"
        )
        viewer.last = now

    async def _ask(self) -> None:
        """The API answers whenever it should. Each time on another connection: one that is kept may end just then."""
        world, plane = self._world, self._world.plane
        async with httpx.AsyncClient(base_url=plane.url, limits=httpx.Limits(max_keepalive_connections=0)) as http:
            while True:
                began, pid, fault = time.monotonic(), plane.pid, None
                if plane.up and began > world.starved_until:
                    try:
                        answer = await http.get("/api/v1/system", timeout=GIVE_UP_S)
                        if answer.status_code != httpx.codes.OK:
                            fault = f"{answer.status_code} {answer.text[:200]}"
                    except httpx.TransportError as error:
                        fault = repr(error)
                    self._judge_answer(began, pid, fault)
                await asyncio.sleep(LOOK_S)

    def _judge_answer(self, began: float, pid: int, fault: str | None) -> None:
        world, now = self._world, time.monotonic()
        same = world.plane.up and world.plane.pid == pid and began > world.starved_until
        if not same or world.touches.down(began, 0.5):
            return
        self.answers.append(now - began)
        if world.verdict.judge(f"an answer, asked for at {began:.1f}", began, ANSWER_S, now, after_s=0.0):
            world.late(f"the control plane answered after {now - began:.1f} s {fault or ''}")
        elif fault is not None and "Timeout" not in fault:
            world.finding(f"the control plane did not answer: {fault}")

    async def _look_on(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Everything once."""
        world, now = self._world, time.monotonic()
        processes = await asyncio.to_thread(world.processes.look, world.plane.pid)
        self.displays |= await asyncio.to_thread(displays, processes)
        odd: dict[str, float] = {}
        odd |= dict.fromkeys(self._zombies(processes), ZOMBIE_S)
        odd |= await self._sessions(processes)
        system, views = await world.plane.get("/api/v1/system"), await world.plane.items("lobbies")
        leases = await world.plane.items("leases")
        if system is not None and views is not None and leases is not None and world.plane.up:
            workers = system["statistics"]["workers"]
            self._learn(workers)
            odd |= self._strangers(processes, workers)
            odd |= dict.fromkeys(world.book.compare(views, now), 0.0 if self._steady(now) else FRESH_S)
            odd |= dict.fromkeys(self._leases(leases, views), SETTLE_S)
            self._care(views)
        self._keep(odd, now)

    def _steady(self, now: float) -> bool:
        return not self._world.touches.down(now, FRESH_S)

    def _keep(self, odd: dict[str, float], now: float) -> None:
        """A thing is a finding once it was so for as long as it may be. Without a control plane nobody mends."""
        world = self._world
        away = world.touches.down(now, LOOK_S) or now < world.starved_until
        self._odd = {what: now if away else self._odd.get(what, now) for what in odd}
        for what, since in self._odd.items():
            if not away and what not in self._told and world.verdict.judge(what, since, odd[what], now):
                world.finding(f"for {now - since:.1f} s: {what}")
                self._told.add(what)

    def _zombies(self, processes: list[Seen]) -> Iterable[str]:
        """Their parents do not look after them; one that is stopped cannot."""
        stopped = {one.pid for one in processes if one.state == "T"}
        for one in processes:
            if one.state == "Z" and one.parent not in stopped:
                yield f"zombie {one.pid} {one.command}, child of {one.parent}"

    async def _sessions(self, processes: list[Seen]) -> dict[str, float]:
        try:
            sessions = await asyncio.to_thread(self._driver.sessions)
        except OSError:
            return {}
        pids = {one.pid for one in processes}
        if len(sessions) > config.CAP:
            self._world.finding(f"{len(sessions)} sessions, the driver has {config.CAP}: {sessions}")
        return {f"session of nobody: {one.pid}": 2.0 for one in sessions if not one.foreign and one.pid not in pids}

    def _learn(self, workers: list[dict[str, Any]]) -> None:
        self._world.lobby_of = {one["id"]: one["lobby"] for one in workers if one["lobby"] is not None}
        there = {one["id"]: one for one in workers}
        self.workers |= there
        self.left |= self.workers.keys() - there.keys()

    def _strangers(self, processes: list[Seen], workers: list[dict[str, Any]]) -> dict[str, float]:
        known = {one["id"] for one in workers}
        odd = {}
        for one in processes:
            if one.what == PLANE or one.state == "Z" or one.worker in known:
                continue
            own = one.what == OTHER and one.parent == self._world.plane.pid
            odd[f"process of nobody: {one.pid} {one.what} {one.worker} {one.command}"] = (
                THROWAWAY_S if own else SETTLE_S
            )
        for worker in workers:
            if not Path(f"/proc/{worker['pid']}").exists():
                odd[f"the host names worker {worker['id']} {worker['pid']}, which is gone"] = SETTLE_S
        return odd

    def _leases(self, leases: list[dict[str, Any]], views: list[dict[str, Any]]) -> Iterable[str]:
        lobbies = {view["id"] for view in views}
        sessions = [one for one in leases if one["quota"].startswith("sessions:")]
        if sum(one["amount"] for one in sessions) > config.CAP:
            self._world.finding(f"leases above the cap: {sessions}")
        for one in leases:
            if one["lobby"] is not None and one["lobby"] not in lobbies:
                yield f"lease of no lobby: {one['holder']} {one['quota']} {one['lobby']}"

    def _care(self, views: list[dict[str, Any]]) -> None:
        """What only a person can do: a program that ended soon after its start is started by one."""
        world = self._world
        for view in views:
            key = view["key"]
            if view["state"] != "DEGRADED" or view["retry_at"] is not None or time.time() - view["since"] < 1.0:
                continue
            if world.book.entries[key].busy or key in self._cared:
                continue
            if view["code"] != "source.command_exited":
                world.finding(f"lobby {key} stays down: {view['code']} {view['why']} {view['hint']}")
            world.note(f"  a person restarts {key}, {view['code']}: {view['why']}")
            self._cared.add(key)
            world.spawn(self._restart(key))

    async def _restart(self, key: str) -> None:
        touch = self._world.touch(key, 0.0, "a person restarted it")
        await self._world.plane.ask("POST", f"/api/v1/lobbies/{key}/restart")
        touch.until = max(touch.until, time.monotonic())
        self._cared.discard(key)
