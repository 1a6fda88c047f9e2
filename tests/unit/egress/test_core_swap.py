"""A track that goes on with a second bus of the same lobby worker: its clock is not moved, and nothing goes back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.egress.core.frame import Frame
from steadycast.egress.core.intake import Intake
from steadycast.egress.core.timeline import Timeline
from steadycast.egress.core.track import Track
from tests.support.bus_packets import AUDIO, VIDEO, BusWriter

FRAME = 3000  # 30 fps at 90 kHz
TICK_S = 1 / 90_000


class Show:
    """A track and the encoders of one lobby worker that write it, each on a bus of its own."""

    def __init__(self, timeline: Timeline | None = None) -> None:
        self.track = Track("lobby/main", VIDEO, timeline or Timeline(0.0), 100_000, 100_000)
        self.frames: list[Frame] = []

    def open(self, epoch: str = "worker") -> tuple[Intake, BusWriter]:
        return self.track.open_bus(epoch, VIDEO), BusWriter(sequence=len(self.frames) * 7)

    def write(self, bus: tuple[Intake, BusWriter], stamp: int, key: bool = False, late: float = 0.0) -> None:
        """A picture of the worker's clock, `late` seconds after its moment."""
        self.frames += self.track.feed(bus[0], bus[1].picture(stamp, key), 100 + stamp * TICK_S + late)

    def stamps(self) -> list[int]:
        return [frame.timestamp for frame in self.frames]

    def check(self) -> None:
        stamps = self.stamps()
        assert all(after > before for before, after in pairwise(stamps)), "never back"
        for before, after in pairwise(self.frames):
            assert after.index == before.next_index, "numbers go on"


def test_the_second_bus_of_a_worker_goes_on_where_the_first_was() -> None:
    show = Show()
    old = show.open()
    for number in range(4):
        show.write(old, number * FRAME, number == 0)
    new = show.open()
    show.write(new, 3 * FRAME)  # not a keyframe: it waits
    assert show.track.goes_on_with(old[0])
    show.write(old, 4 * FRAME)
    show.write(new, 5 * FRAME, True, late=0.05)
    assert show.track.goes_on_with(new[0])
    show.write(old, 5 * FRAME)
    show.write(new, 6 * FRAME)
    first = show.frames[0].timestamp
    assert [stamp - first for stamp in show.stamps()] == [number * FRAME for number in range(7)]
    show.check()


def test_frames_that_both_have_are_a_tick_apart_and_then_it_is_exact() -> None:
    show = Show()
    old = show.open()
    for number in range(5):
        show.write(old, number * FRAME, number == 0)
    new = show.open()
    for number in range(2, 8):  # its keyframe is two frames behind what was sent already
        show.write(new, number * FRAME, number == 2)
    ticks = [stamp - show.frames[0].timestamp for stamp in show.stamps()]
    assert ticks[:5] == [number * FRAME for number in range(5)]
    assert ticks[5:] == [4 * FRAME + 1, 4 * FRAME + 2, 4 * FRAME + 3, 5 * FRAME, 6 * FRAME, 7 * FRAME]
    show.check()


def test_what_the_track_owed_to_an_earlier_worker_stays() -> None:
    timeline = Timeline(0.0)
    show, sound = Show(timeline), Track("lobby/audio", AUDIO, timeline, 1000, 0)
    old = show.open("a")
    for number in range(30):
        show.write(old, number * FRAME, number == 0)
    intake = sound.open_bus("b", AUDIO)
    # The sound of a new worker says where its clock is: a second ago, so the picture has a way of its own.
    sound.feed(intake, BusWriter().sound(48_000 * 50), 100.0)
    second = show.open("b")
    show.write(second, 50 * 90_000, True)
    show.write(second, 50 * 90_000 + FRAME)
    third = show.open("b")
    show.write(third, 50 * 90_000 + 2 * FRAME, True)
    last = show.stamps()[-3:]
    assert [stamp - last[0] for stamp in last] == [0, FRAME, 2 * FRAME]
    walls = [frame.wall for frame in show.frames[-3:]]
    assert walls[2] - walls[0] == pytest.approx(2 * FRAME * TICK_S)
    show.check()


@given(
    swaps=st.lists(st.tuples(st.integers(1, 6), st.integers(-4, 4), st.integers(2, 8)), min_size=1, max_size=6),
    began=st.integers(0, 2**33),
)
def test_many_swaps_move_nothing(swaps: list[tuple[int, int, int]], began: int) -> None:
    """(frames of the old bus, how far the new one's keyframe is before or after them, its frames)."""
    show = Show()
    bus = show.open()
    show.write(bus, began, True)
    at = began
    shift = show.frames[0].timestamp - began
    for before, apart, after in swaps:
        for _ in range(before):
            at += FRAME
            show.write(bus, at)
        bus = show.open()
        at = max(began, at + apart * FRAME)
        for number in range(after):
            show.write(bus, at + number * FRAME, number == 0)
        at += (after - 1) * FRAME
        while show.frames[-1].timestamp != at + shift:  # frames it had already are over after this many
            at += FRAME
            show.write(bus, at)
            assert at < began + 1000 * FRAME
        show.check()
    assert (show.frames[-1].timestamp - at) % 2**32 == shift % 2**32
