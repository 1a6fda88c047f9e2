"""When an open encoder counts as failed although it says nothing."""

from __future__ import annotations

import pytest

from steadycast.pipelines.progress import SOURCE_FRAMES, Counts, Progress, Silence

START = Counts(made=10, taken=10, shown=100)
LATER = 6.0


@pytest.mark.parametrize(
    ("counts", "now", "stalled"),
    [
        (Counts(10, 30, 200), LATER, True),
        (Counts(10, 11, 200), LATER, True),  # it sits on one frame
        (Counts(11, 30, 200), LATER, False),
        (Counts(10, 30, 200), 4.0, False),
        (Counts(10, 10, 200), LATER, False),  # nothing reaches it
        (Counts(10, 11, 100 + SOURCE_FRAMES - 1), LATER, False),  # the source stands still
    ],
)
def test_it_takes_and_makes_nothing(counts: Counts, now: float, stalled: bool) -> None:
    assert Progress(START, 0.0).stalled(counts, now, 5.0) is stalled


def test_each_frame_gives_it_time_again() -> None:
    progress = Progress(START, 0.0)
    for step in range(1, 20):
        assert not progress.stalled(Counts(10 + step, 10 + step, 100 + 50 * step), step * LATER, 5.0)
    assert progress.since == 19 * LATER


def test_silence_counts_from_the_start_and_from_each_news() -> None:
    silence = Silence(100.0)
    assert silence.lasts(0, 103.0) == 3.0
    assert silence.lasts(1, 104.0) == 0.0
    assert silence.lasts(1, 109.5) == 5.5
    assert silence.lasts(9, 110.0) == 0.0
