"""When a worker is looked at, and what is said of renditions and viewers that ended in it."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from steadycast.model import Measures, Subject
from steadycast.tracking import quiet as quiet_module
from steadycast.tracking.levels import LEVELS, Levels, beyond, composition
from steadycast.tracking.quiet import BUSY, FIRST, KINDS, MANY, Judged, Lent, Pace, Quiet

PACE = Pace(first=0.5, most=2, settle=20, patience=60)
EMPTY: dict[str, int] = {}


def lent(key: str, kind: str = "h264") -> Lent:
    return Lent(Subject.RENDITION, key, f"name {key}", kind, "l1", 1.0)


def held(
    descriptors: int = 10, threads: dict[str, int] | None = None, objects: dict[str, int] | None = None
) -> Measures:
    found = {"python": 1} if threads is None else threads
    return Measures(1.0, processes=1, descriptors={"socket": descriptors}, threads=found, pss=1, objects=objects)


class Clocked:
    """A worker whose looks come when they are due."""

    def __init__(self) -> None:
        self.quiet = Quiet(PACE)
        self.now = 0.0
        self.judged: list[Judged] = []

    def opened(self, *keys: str, kind: str = "h264") -> None:
        for key in keys:
            self.quiet.opened(lent(key, kind), self.now)

    def closed(self, *keys: str, kind: str = "h264") -> None:
        for key in keys:
            self.judged += self.quiet.closed(lent(key, kind), "closed", 5.0, self.now)

    def look(self, measured: Measures, around: dict[str, int] | None = EMPTY) -> float:
        """One look when it is due; its time."""
        due = self.quiet.due()
        assert due is not None and due >= self.now - PACE.settle
        self.now = max(self.now, due)
        self.judged += self.quiet.seen(measured, around, self.quiet.changes, self.now)
        return self.now

    def until_rest(self, measured: Measures) -> int:
        looks = 0
        while self.quiet.due() is not None:
            self.look(measured)
            looks += 1
            assert looks < 20
        return looks

    def residue(self) -> list[str]:
        return [text for one in self.judged for check in one.checks for text in check.residue or ()]


def warm(one: Clocked) -> None:
    """The first of its kind came and went."""
    one.opened("first")
    one.until_rest(held(12))
    one.closed("first")
    one.until_rest(held(10))
    assert [check.why for one in one.judged for check in one.checks] == [FIRST]
    one.judged.clear()


def test_the_first_of_its_kind_is_what_the_next_are_compared_with() -> None:
    one = Clocked()
    warm(one)
    one.opened("a")
    one.until_rest(held(12))
    one.closed("a")
    at = one.look(held(10))
    assert at <= one.judged[0].ended.when + PACE.most, "a clean one is known at the first look"
    (judged,) = one.judged
    assert all(check.residue == () for check in judged.checks) and judged.after == held(10)
    assert judged.ended.before == held(10) and judged.ended.cause == "closed"


def test_what_stays_is_named_once_all_has_settled() -> None:
    one = Clocked()
    warm(one)
    one.opened("a")
    one.closed("a")
    began = one.now
    more = held(11, {"python": 1, "x264:src": 2}, {"GstPad": 3})
    one.until_rest(more)
    assert one.now - began >= PACE.settle
    assert one.residue() == ["descriptor socket +1", "thread x264:src +2"]
    assert [check.name for check in one.judged[0].checks if check.residue is None] == ["objects"]
    # It was told: the next is compared with what is held now.
    one.judged.clear()
    one.opened("b")
    one.closed("b")
    one.until_rest(more)
    assert one.residue() == [] and all(check.residue == () for check in one.judged[0].checks)


def test_threads_that_end_late_are_waited_for() -> None:
    one = Clocked()
    warm(one)
    one.opened("a")
    one.closed("a")
    one.look(held(10, {"python": 1, "queue#:src": 2}))
    one.look(held(10, {"python": 1, "queue#:src": 1}))
    assert one.judged == []
    one.look(held(10))
    assert len(one.judged) == 1 and one.residue() == []


def test_an_idle_thread_with_another_name_is_no_residue() -> None:
    assert [c for c in beyond(held(10, {"queue#:src": 2}), held(10, {"x264": 2})) if c.residue] == []
    more = beyond(held(10, {"queue#:src": 2}), held(10, {"x264": 3}))
    assert [check.residue for check in more if check.residue] == [("thread x264 +3",)]


def test_of_several_that_ended_together_one_receipt_names_what_stayed() -> None:
    one = Clocked()
    warm(one)
    one.opened("a", "b", "c")
    one.closed("a", "b", "c")
    one.until_rest(held(11))
    assert one.residue() == ["descriptor socket +1"] and len(one.judged) == 3
    assert "2 more" in str(one.judged[0].checks)
    assert all("name a" in str(judged.checks[0].why) for judged in one.judged[1:])


def test_nothing_is_judged_while_others_come_and_go() -> None:
    one = Clocked()
    warm(one)
    one.opened("a")
    one.closed("a")
    changes = one.quiet.changes
    one.opened("b")
    assert one.quiet.seen(held(10), EMPTY, changes, one.now) == []
    assert one.quiet.seen(held(10), None, one.quiet.changes, one.now) == []
    assert one.quiet.seen(None, EMPTY, one.quiet.changes, one.now) == []
    one.now += PACE.patience + 1
    (judged,) = one.quiet.seen(held(10), EMPTY, changes, one.now)
    assert [(check.residue, check.why) for check in judged.checks] == [(None, BUSY)]


def test_no_more_than_with_less_open_is_clean_too() -> None:
    one = Clocked()
    warm(one)
    one.opened("a", "b", kind="whep")
    one.closed("a", kind="whep")
    one.look(held(10), {"tracks": 2})
    assert len(one.judged) == 1 and one.residue() == []
    one.closed("b", kind="whep")
    one.until_rest(held(11))
    assert [check.why for check in one.judged[1].checks] == [FIRST], "whep was never gone before"


def test_a_worker_that_is_gone_takes_all_with_it() -> None:
    one = Clocked()
    one.opened("a", "b")
    one.closed("a")
    judged = one.quiet.gone((), "died", 7.0, 1.0)
    assert [(one.ended.lent.key, one.ended.cause) for one in judged] == [("a", "closed"), ("b", "died")]
    assert one.quiet.due() is None and one.quiet.open == one.quiet.waiting == 0


def test_one_that_nobody_told_of_counts_when_it_ends() -> None:
    one = Clocked()
    one.closed("adopted")
    one.until_rest(held(10))
    assert [judged.ended.before for judged in one.judged] == [None]


def test_who_waits_is_bounded() -> None:
    one = Clocked()
    for number in range(quiet_module.ENDED + 5):
        one.closed(str(number))
    assert one.quiet.waiting == quiet_module.ENDED
    assert [check.why for judged in one.judged for check in judged.checks] == [MANY] * 5


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "close", "look", "rest"]),
        st.integers(0, 5),
        st.sampled_from(["h264", "whep", "rtsp tcp"]),
        st.integers(8, 12),
    ),
    max_size=60,
)


@given(STEPS)
def test_each_end_is_judged_once_and_looks_come_to_an_end(steps: list[tuple[str, int, str, int]]) -> None:
    one = Clocked()
    ended: list[str] = []
    open_now: dict[str, str] = {}
    for number, (what, slot, kind, descriptors) in enumerate(steps):
        key = f"{slot}"
        if what == "open" and key not in open_now:
            open_now[key] = kind
            one.opened(key, kind=kind)
        elif what == "close" and key in open_now:
            one.closed(key, kind=open_now.pop(key))
            ended.append(key)
        elif what == "look" and one.quiet.due() is not None:
            one.look(held(descriptors), {"tracks": number % 2})
        elif what == "rest":
            one.until_rest(held(descriptors))
    one.until_rest(held(10))
    assert [judged.ended.lent.key for judged in one.judged] == ended
    assert one.quiet.waiting == 0 and one.quiet.open == len(open_now)


@given(STEPS)
def test_a_worker_that_holds_what_is_open_and_no_more_is_never_blamed(
    steps: list[tuple[str, int, str, int]],
) -> None:
    """The truth: a connection has a socket, a rendition a thread and two objects, a WHEP viewer nothing."""
    one = Clocked()
    open_now: dict[str, str] = {}

    def truth() -> Measures:
        kinds = list(open_now.values())
        threads = {"python": 1, "queue#:src": kinds.count("h264")}
        return held(10 + kinds.count("rtsp tcp"), threads, {"GstPad": 2 * kinds.count("h264")})

    for what, slot, kind, _ in steps:
        if what == "open" and str(slot) not in open_now:
            open_now[str(slot)] = kind
            one.opened(str(slot), kind=kind)
        elif what == "close" and str(slot) in open_now:
            one.closed(str(slot), kind=open_now.pop(str(slot)))
        elif what == "look" and one.quiet.due() is not None:
            one.look(truth())
        elif what == "rest":
            one.until_rest(truth())
    one.until_rest(truth())
    assert one.residue() == []


@given(st.lists(st.integers(0, 200), min_size=80, max_size=120))
def test_kinds_and_levels_are_bounded(kinds: list[int]) -> None:
    one = Clocked()
    for number, kind in enumerate(kinds):
        one.opened(str(number), kind=f"kind {kind}")
        one.closed(str(number), kind=f"kind {kind}")
    assert len(one.quiet._kinds.keys() | one.quiet._warmed) <= KINDS + 1
    levels = Levels()
    for number in range(LEVELS + 10):
        levels.settle(composition({"a": number}), frozenset(), held())
    assert len(levels) == LEVELS


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_a_level_only_goes_down_by_itself(first: int, second: int, third: int) -> None:
    levels, nothing = Levels(), composition()
    levels.settle(nothing, frozenset(), held(first))
    levels.settle(nothing, frozenset(), held(second))
    found = levels.compare(nothing, frozenset(), held(third))
    assert found is not None
    assert any(check.residue for check in found) == (third > min(first, second))
    levels.accept(nothing, frozenset(), held(third))
    again = levels.compare(nothing, frozenset(), held(third))
    assert again is not None and not any(check.residue for check in again)


def test_memory_is_told_and_not_judged() -> None:
    more = dataclasses.replace(held(), pss=1 << 40, private_dirty=1 << 40, vram=1 << 40)
    assert all(check.residue == () for check in beyond(held(), more))
