"""Memory checkpoints: which are kept, what they are compared with, and that they are bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steadycast.lobbies.checkpoints import EVERY_S, NEWEST, WORKERS, Checkpoints, Point, point_of
from steadycast.model import Measures

MB = 1 << 20


def measured(pss: int | None, descriptors: int = 20) -> Measures:
    return Measures(0.0, descriptors={"socket": descriptors}, pss=pss, private_dirty=pss, objects={"GstPad": 7})


def test_deltas_are_to_the_first_of_the_worker() -> None:
    kept = Checkpoints()
    kept.add(Point.STARTED, ("w1", 11), 1.0, measured(50 * MB), None)
    kept.add(Point.ENCODER_OPEN, ("w1", 11), 2.0, measured(80 * MB, 26), "main")
    one = kept.all()[-1]
    assert (one.name, one.about, one.d_pss, one.d_descriptors, one.objects) == ("encoder open", "main", 30 * MB, 6, 7)
    kept.add(Point.STARTED, ("w2", 12), 3.0, measured(40 * MB), None)
    assert kept.baseline is not None and kept.baseline.worker == "w2"
    assert kept.all()[-1].d_pss == 0
    assert kept.largest is not None and kept.largest.pss == 80 * MB


def test_while_one_worker_takes_over_each_is_compared_with_itself() -> None:
    kept = Checkpoints()
    kept.add(Point.STARTED, ("w1", 11), 1.0, measured(50 * MB), None)
    kept.add(Point.STARTED, ("w2", 12), 2.0, measured(60 * MB), None)
    kept.add(Point.RENDITION_CLOSED, ("w1", 11), 3.0, measured(55 * MB), "main")
    kept.add(Point.END, ("w1", 11), 3.5, measured(90 * MB), None)
    kept.add(Point.VIEWER_JOINED, ("w2", 12), 4.0, measured(61 * MB), "v1")
    assert kept.baseline is not None and kept.baseline.worker == "w2"
    assert [(one.worker, one.d_pss) for one in kept.all()] == [
        ("w1", 0), ("w2", 0), ("w1", 5 * MB), ("w1", 40 * MB), ("w2", MB),
    ]  # fmt: skip


def test_unknown_is_none_and_says_why() -> None:
    kept = Checkpoints()
    kept.add(Point.STARTED, ("w1", 11), 1.0, None, None)
    kept.add(Point.SOURCE_OPEN, ("w1", 11), 2.0, measured(None), None)
    first, second = kept.all()
    assert (first.pss, first.why) == (None, "it could not be measured in time")
    assert second.pss is None and second.why is not None
    assert kept.baseline is None and kept.largest is None
    kept.add(Point.VIEWER_JOINED, ("w1", 11), 3.0, measured(MB), "v1")
    assert kept.baseline is not None and kept.baseline.name is Point.VIEWER_JOINED


def test_what_comes_and_goes_fast_is_measured_once_a_second() -> None:
    kept = Checkpoints()
    assert kept.wants(Point.VIEWER_JOINED, "w1", 0.0)
    kept.add(Point.VIEWER_JOINED, ("w1", 11), 0.0, measured(MB), None)
    assert not kept.wants(Point.VIEWER_JOINED, "w1", EVERY_S / 2)
    assert kept.wants(Point.VIEWER_JOINED, "w1", EVERY_S)
    assert kept.wants(Point.VIEWER_LEFT, "w1", 0.1)
    assert kept.wants(Point.VIEWER_JOINED, "w2", 0.1), "of another worker it is the first"


@given(st.lists(st.tuples(st.sampled_from(Point), st.integers(0, 3), st.integers(0, 10**9)), max_size=300))
def test_they_are_bounded_and_in_order(steps: list[tuple[Point, int, int]]) -> None:
    kept = Checkpoints()
    for number, (name, worker, pss) in enumerate(steps):
        kept.add(name, (f"w{worker}", worker), float(number), measured(pss), None)
    found = kept.all()
    assert len(found) <= (WORKERS + 1) * NEWEST + 1
    assert [one.at for one in found] == sorted(one.at for one in found)
    if steps:
        assert kept.largest is not None and kept.largest.pss == max(pss for _, _, pss in steps)


def test_points_have_events() -> None:
    assert point_of("viewer.joined") is Point.VIEWER_JOINED
    assert point_of("nothing.of.the.kind") is None
