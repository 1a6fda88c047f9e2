"""What is said of a lobby that programs push into is so."""

from __future__ import annotations

from typing import Any

import pytest

from steadycast.lobbies.push_view import heir_of, push_view
from steadycast.model import PushSource, TestSource
from steadycast.pipelines.staging.counts import Counts

COUNTS = {"address": "/x", "waiting": 0, "buffers": 4, "lent": 4, "kept": 0, "bytes": 1, "pool": {}}


@pytest.mark.parametrize(
    ("told", "idle", "says"),
    [
        ({"producer": 7, "quiet_s": 0.1}, "hold", "process 7 pushes"),
        ({"producer": 7, "quiet_s": 41.2}, "hold", "sent nothing for 41 s"),
        ({"producer": None, "quiet_s": None}, "hold", "no producer came yet; the picture is black"),
        ({"producer": None, "quiet_s": None, "since": 5.0}, "hold", "no producer; its last picture is held"),
        ({"producer": None, "quiet_s": None, "since": 5.0}, "black", "no producer; the picture is black"),
    ],
)
def test_who_pushes(told: dict[str, Any], idle: Any, says: str) -> None:
    view = push_view(PushSource(idle=idle), {**Counts().told(), **COUNTS, **told})
    assert view is not None
    assert says in view.says


def test_nothing_is_said_of_what_makes_no_sense() -> None:
    told = {**Counts().told(), **COUNTS, "producer": None, "quiet_s": None}
    assert push_view(PushSource(), {**told, "shown": "many"}) is None
    assert push_view(PushSource(), None) is None
    assert push_view(TestSource(), told) is None


def test_only_alike_pictures_are_gone_on_with() -> None:
    mine = PushSource(width=640, height=360)
    assert heir_of(mine, COUNTS, PushSource(width=640, height=360, fps=5, buffers=8)) == "/x"
    for other in (PushSource(width=640, height=362), PushSource(width=640, height=360, format="NV12"), TestSource()):
        assert heir_of(mine, COUNTS, other) is None
    assert heir_of(mine, {"address": 7}, mine) is None
    assert heir_of(mine, None, mine) is None


def test_what_a_producer_says_it_dropped_counts_once() -> None:
    counts = Counts()
    for dropped in (0, 3, 3, 2, -5, 10):
        counts.heard(dropped)
    counts.came()
    counts.heard(4)
    assert counts.dropped == 14
