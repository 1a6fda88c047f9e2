"""Instances that are being opened when their asker is gone: ended, once, and a new one of the name waits for that."""

from __future__ import annotations

import asyncio

from steadycast.workers.openings import Openings


class House:
    """`ended` names what was closed; `gate` holds a closing back."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.gate = asyncio.Event()
        self.openings = Openings(self.close)

    async def close(self, instance: str) -> None:
        await self.gate.wait()
        self.ended.append(instance)


async def test_what_the_present_asker_opens_goes_on() -> None:
    house, asker = House(), object()
    house.gate.set()
    with house.openings.asked("main.1", asker):
        assert house.openings.under_way("main.1")
        house.openings.end_unheard(asker)
        await asyncio.sleep(0.01)
    assert house.ended == [] and not house.openings.under_way("main.1")


async def test_what_nobody_hears_of_is_ended_once() -> None:
    house, new = House(), object()
    with house.openings.asked("main.1", object()):
        house.openings.end_unheard(new)
        house.openings.end_unheard(new)
        waiting = asyncio.create_task(house.openings.settled("main.1"))
        await asyncio.sleep(0.01)
        assert not waiting.done() and house.ended == []
        house.gate.set()
        await waiting
    assert house.ended == ["main.1"] and not house.openings.under_way("main.1")
    await house.openings.settled("main.1")
