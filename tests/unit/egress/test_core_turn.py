"""A viewer turns to another track of its lobby: numbers go on, and no timestamp comes twice."""

from __future__ import annotations

import pytest

from steadycast.egress.core.budget import Budget
from steadycast.egress.core.frame import Frame
from steadycast.egress.core.outlet import Outlet
from steadycast.egress.core.timeline import Timeline
from steadycast.egress.core.track import Track
from tests.support.bus_packets import VIDEO, BusWriter


class Made:
    """A track of a lobby whose pictures come when they are told to."""

    def __init__(self, name: str, timeline: Timeline) -> None:
        self.track = Track(f"lobby/{name}", VIDEO, timeline, 1_000_000, 1_000_000)
        self._intake = self.track.open_bus("a", VIDEO)
        self._writer = BusWriter()

    def frame(self, moment: float, key: bool = False) -> Frame:
        [frame] = self.track.feed(self._intake, self._writer.picture(round(moment * 90_000), key), moment)
        return frame


@pytest.mark.parametrize("ahead", [0.0, 0.04, -0.2])
def test_numbers_go_on(ahead: float) -> None:
    timeline = Timeline(1_000_000.0)
    main, low = Made("main", timeline), Made("low", timeline)
    viewer = Outlet(main.track, 96, Budget(10_000, 5.0))
    main.frame(1.0, key=True)
    replay = viewer.start(1.0)
    last = viewer.offer(main.frame(1.04), 0, 1.04)
    assert last is not None and replay
    first = low.frame(1.04 + ahead, key=True)
    viewer.turn(low.track, first)
    turned = viewer.offer(first, 0, 1.1)
    then = viewer.offer(low.frame(1.08 + ahead), 0, 1.14)
    assert turned is not None and then is not None
    assert turned.sequence == last.sequence + 3 and then.sequence == turned.sequence + 5
    assert 0 < (turned.timestamp - last.timestamp) & 0xFFFFFFFF <= max(1, round(ahead * 90_000))
    assert (then.timestamp - turned.timestamp) & 0xFFFFFFFF == 3600
    assert viewer.resend(last.sequence & 0xFFFF) is None, "another packet would come under its number"
    again = viewer.resend(turned.sequence & 0xFFFF)
    assert again is not None and again.payload == first.payloads[0]
