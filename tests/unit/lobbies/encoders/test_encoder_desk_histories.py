"""An hour of anything: lobbies come and go, hang up, fail; other programs take and give sessions; GPUs get lost."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from steadycast.errors import RefusedError
from steadycast.lobbies.seats import Seat
from steadycast.model import HardwareUse, WhenFull
from steadycast.vendors.protocol import DeviceFault, VendorState
from tests.support.encoder_house import Driver, House, Houses

STEPS = 400


class History:
    """Does what a seed says, and looks at what must hold after each step."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.random = random.Random(seed)
        self.asking: dict[str, asyncio.Task[Seat]] = {}
        self.refused = 0

    async def step(self) -> None:
        weights = {"come": 6, "leave": 4, "hang_up": 2, "fail": 1, "foreign": 2, "device": 0.5, "time": 6, "idle": 2}
        (what,) = self.random.choices(list(weights), list(weights.values()))
        getattr(self, what)()
        if what == "time":
            await self.house.pass_time(self.random.choice((0.5, 2, 5)))
        if self.random.random() < 0.7:
            await self.house.settle()
        self.collect()
        self.check()

    def come(self) -> None:
        lobby = f"l{self.random.randrange(12)}"
        if lobby in self.asking or f"{lobby}/main" in self.house.seats:
            return
        changes = {
            "hardware": self.random.choice((HardwareUse.PREFER, HardwareUse.PREFER, HardwareUse.REQUIRE)),
            "when_full": self.random.choice(tuple(WhenFull)),
            "priority": self.random.choice((10, 50, 90)),
            "device": self.random.choice((None, None, None, "sim:1")),
        }
        self.asking[lobby] = asyncio.create_task(self.house.play(lobby, **changes))

    def leave(self) -> None:
        if self.house.seats:
            self.house.end(self.random.choice(sorted(self.house.seats)).partition("/")[0])

    def hang_up(self) -> None:
        if self.asking:
            self.asking[self.random.choice(sorted(self.asking))].cancel()

    def fail(self) -> None:
        if self.house.seats:
            self.house.fail(self.random.choice(sorted(self.house.seats)).partition("/")[0])

    def foreign(self) -> None:
        driver = self.house.driver
        room = driver.real - driver.taken
        driver.foreign = max(0, driver.foreign + self.random.randint(-2, min(1, room)))

    def device(self) -> None:
        works, lost = (VendorState.WORKS,) * 4, (VendorState.FAILS, VendorState.HUNG, VendorState.ABSENT)
        self.house.driver.state = self.random.choice((*works, *lost))
        self.house.driver.faults = (DeviceFault("Xid 79", "it fell off the bus", fatal=self.random.random() < 0.1),)

    def time(self) -> None:
        """Passes in `step`."""

    def idle(self) -> None:
        if self.house.seats:
            seat = self.house.seats[self.random.choice(sorted(self.house.seats))]
            lobby = seat.request.holder.partition("/")[0]

            async def give_up() -> None:
                await asyncio.sleep(0)
                if self.house.seats.get(seat.request.holder) is seat:
                    self.house.end(lobby)

            self.house.encoders.idle(seat, give_up if self.random.random() < 0.7 else None)

    def collect(self) -> None:
        for lobby, task in tuple(self.asking.items()):
            if not task.done():
                continue
            del self.asking[lobby]
            if task.cancelled() or task.exception() is None:
                continue
            error = task.exception()
            assert isinstance(error, RefusedError) and error.why, error
            self.refused += 1

    def check(self) -> None:
        house = self.house
        assert house.driver.taken <= house.driver.real
        lent = {lease.holder for lease in house.encoders.leases() if lease.lobby != "trial"}
        assert set(house.seats) <= lent, "what encodes is lent"
        places = [place for place in house.encoders.places() if not place.promotion]
        assert [place.position for place in places] == list(range(1, len(places) + 1))
        assert {place.lobby for place in places} <= set(self.asking), "only who still asks stands in the line"

    async def end(self) -> None:
        """Everybody goes; nothing may be left."""
        for task in self.asking.values():
            task.cancel()
        await asyncio.gather(*self.asking.values(), return_exceptions=True)
        for holder in tuple(self.house.seats):
            self.house.end(holder.partition("/")[0])
        await self.house.settle()
        assert not self.house.encoders.places() and not self.house.driver.opened
        self.house.driver.state, self.house.driver.foreign = VendorState.WORKS, 0
        for _ in range(1200):  # breakers rest, trials are tried again
            await self.house.pass_time(10)
            if all(view.breaker.state == "closed" for view in self.house.encoders.devices()):
                break
            for view in self.house.encoders.devices():
                if view.breaker.state == "latched":
                    await self.house.encoders.retry(view.id)
        await self.house.until(lambda: all(lease.lobby != "trial" for lease in self.house.encoders.leases()))
        assert not self.house.encoders.leases()
        await self.house.pass_time(700)
        assert (await self.house.play("last")).hardware, "all sessions are there again"


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_lost_and_nothing_lent_twice(tmp_path: Path, seed: int) -> None:
    houses = Houses(tmp_path)
    told = (3, 8, None)[seed % 3]
    house = await houses.build(Driver(real=3, told=told, gpus=2), queue_length=6)
    history = History(house, seed)
    for _ in range(STEPS):
        await history.step()
    assert len(house.said("encoder.granted")) > 10 and history.refused
    await history.end()
    await houses.close()
