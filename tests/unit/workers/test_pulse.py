"""Whether a pipeline moves, from heartbeats alone: what stands still is found, and nothing that only seems to."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from steadycast.workers.pulse import LOOKS, Motion, Pulse, Verdict

STALL_S = 10.0
OWN_S = 8.0  # what the worker itself waits for its source


def told(frames: int, failed: bool = False, **tracks: tuple[int, int]) -> dict[str, Any]:
    """As `LobbyPipeline.statistics`: of each track its bytes and readers."""
    return {
        "source": {"frames": frames, "patience_s": OWN_S, "failed": failed},
        "tracks": {
            name: {"frames": None if name == "audio" else made, "bytes_made": made, "readers": readers}
            for name, (made, readers) in tracks.items()
        },
    }


class Watched:
    """A pulse and its clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pulse = Pulse(STALL_S)

    def beat(self, statistics: dict[str, Any], after: float = 1.0) -> Verdict:
        self.now += after
        return self.pulse.beat(statistics, self.now)


def test_a_source_that_stands_still_is_named_with_the_time_it_moved_last() -> None:
    one = Watched()
    one.beat(told(5))
    moved = one.now
    verdicts = [one.beat(told(5)) for _ in range(int(STALL_S + OWN_S))]
    assert [v.motion for v in verdicts[:-1]] == [Motion.MOVING] * (len(verdicts) - 1)
    assert verdicts[-1] == Verdict(Motion.STALLED, "source", moved)


def test_a_track_that_is_read_stands_still_while_the_source_goes_on() -> None:
    one = Watched()
    verdicts = [one.beat(told(number * 30, main=(7000, 1), copy=(number, 1))) for number in range(1, 12)]
    assert [v.which for v in verdicts] == [None] * 10 + ["main"]


def test_a_stopped_source_is_blamed_and_not_its_tracks() -> None:
    one = Watched()
    verdicts = [one.beat(told(30, main=(7000, 1))) for _ in range(30)]
    assert {v.which for v in verdicts} == {None, "source"}


@given(st.lists(st.floats(0.1, 4), min_size=1, max_size=60), st.integers(1, 3))
def test_a_slow_source_that_goes_on_is_left_alone(pauses: list[float], frames: int) -> None:
    one = Watched()
    for number, pause in enumerate(pauses):
        made = 1 + number * frames
        assert one.beat(told(made, main=(made * 100, 1)), pause).motion is Motion.MOVING


def test_nothing_is_asked_of_what_has_nothing_to_move() -> None:
    one = Watched()
    for statistics in ({}, told(0), told(40, failed=True), {"viewers": 3}, {"source": None, "tracks": 5}):
        for _ in range(100):
            assert one.beat(statistics).motion is Motion.IDLE


def test_sound_and_what_nobody_reads_may_be_silent() -> None:
    one = Watched()
    for number in range(100):
        assert one.beat(told(number + 1, audio=(5, 2), parked=(5, 0))).motion is Motion.MOVING


def test_a_reader_that_comes_gives_a_track_its_whole_time() -> None:
    one = Watched()
    for number in range(60):
        one.beat(told(number * 30 + 1, main=(5, 0)))
    verdicts = [one.beat(told(5000 + number * 30, main=(5, 1))) for number in range(11)]
    assert [v.motion for v in verdicts] == [Motion.MOVING] * 10 + [Motion.STALLED]


def test_the_workers_own_patience_is_waited_for() -> None:
    one = Watched()
    for number in range(20):
        statistics = told(number * 30 + 1, main=(5, 1))
        statistics["tracks"]["main"]["patience_s"] = 20.0
        assert one.beat(statistics).motion is Motion.MOVING


@given(st.lists(st.floats(60, 1e6), min_size=1, max_size=LOOKS - 1))
def test_whoever_slept_blames_nobody(gaps: list[float]) -> None:
    """However long the gaps are: few looks make no verdict."""
    one = Watched()
    one.beat(told(30, main=(7000, 1)))
    for number, gap in enumerate(gaps):
        assert one.beat(told(60 + 30 * number, main=(7000, 1)), gap).motion is Motion.MOVING


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["source", "tracks", "frames", "patience_s", "failed", "main", "bytes_made", "readers"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    ),
    st.integers(0, 5),
)
def test_odd_statistics_end_nobody(value: Any, beats: int) -> None:
    one = Watched()
    for _ in range(beats):
        statistics = value if isinstance(value, dict) else {"source": value}
        assert one.beat(statistics).motion in Motion
