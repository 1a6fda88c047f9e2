"""Staging buffers of all lobby workers as one pool."""

from __future__ import annotations

from typing import Any

from steadycast.leases.pools import Pressure
from steadycast.workers.messages import Press
from steadycast.workers.staged import StagingBuffers


class Teller:
    """A worker that says this of itself."""

    def __init__(self, id: str, push: Any) -> None:
        self.id = id
        self.statistics: dict[str, Any] = {"source": {"push": push}}
        self.heard: list[int] = []

    def post(self, message: Any) -> None:
        assert isinstance(message, Press)
        self.heard.append(message.level)


def pool(**more: Any) -> dict[str, Any]:
    return {"pool": {"total": 4, "lent": 2, "idle": 1, "created": 3, "evicted": {"lost": 1}, **more}}


def test_totals_go_on_when_a_worker_is_gone() -> None:
    workers = [Teller("a", pool()), Teller("b", pool(created=5, lent=4)), Teller("c", None)]
    staged = StagingBuffers(lambda: workers)
    told = staged.statistics()
    assert (told.total, told.lent, told.idle, told.created, told.evicted) == (8, 6, 2, 8, {"lost": 2})
    del workers[1]
    told = staged.statistics()
    assert (told.total, told.lent, told.created, told.high_water) == (4, 2, 8, 8)
    workers.append(Teller("d", pool()))
    assert staged.statistics().created == 11


def test_each_hears_of_pressure_once_and_who_comes_later_too() -> None:
    workers = [Teller("a", pool()), Teller("c", None)]
    staged = StagingBuffers(lambda: workers)
    for level in (Pressure.LOW, Pressure.HIGH, Pressure.HIGH):
        staged.press(level, 0)
    workers.append(Teller("b", pool()))
    staged.press(Pressure.HIGH, 1)
    staged.press(Pressure.LOW, 2)
    assert [one.heard for one in workers] == [[2, 0], [], [2, 0]]


def test_what_makes_no_sense_counts_as_nothing() -> None:
    odd = [Teller("a", 7), Teller("b", {"pool": []}), Teller("c", pool(lent="x", created=-1, evicted=[1]))]
    assert StagingBuffers(lambda: odd).statistics().lent == 0
