"""What drivers show of a process that is gone: only looks that came through since then tell it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from steadycast.tracking import gauge as module
from steadycast.tracking.gauge import Gauge

HELD = (200 << 20, 1)


@pytest.fixture
def gauge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gauge]:
    for name, seconds in (("DRIVER_S", 0.05), ("DRIVER_LATE_S", 60.0), ("DRIVER_POLL_S", 0.01)):
        monkeypatch.setattr(module, name, seconds)
    gauge = Gauge()
    yield gauge
    gauge.close()


async def test_what_stays_is_told(gauge: Gauge) -> None:
    async def look() -> None:
        return

    gauge.ask(lambda pid: HELD, look)
    assert await gauge.until_released(7) == HELD


async def test_a_look_that_comes_late_is_waited_for(gauge: Gauge) -> None:
    shown = [HELD]

    async def look() -> None:
        await asyncio.sleep(0.1)  # longer than drivers need
        shown.append((0, 0))

    gauge.ask(lambda pid: shown[-1], look)
    assert await gauge.until_released(7) == (0, 0)


async def test_without_a_look_nothing_is_known(gauge: Gauge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRIVER_LATE_S", 0.2)

    async def look() -> None:
        await asyncio.Event().wait()

    gauge.ask(lambda pid: HELD, look)
    assert await gauge.until_released(7) == (None, None)
