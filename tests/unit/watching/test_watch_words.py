"""What is to be watched, and how it is shown: options, the table, lines."""

from __future__ import annotations

import io
import os
from dataclasses import replace

import pytest
from rich.console import Console

from steadycast.errors import ConfigError
from steadycast.model import Bound, Look, Measured, Owner, Resource
from steadycast.tracking.probes.sampler import Sample, Sampled
from steadycast.watching.watch.aims import Aim, check_aim, not_readable, refuse_missing, seconds_of, targets_of
from steadycast.watching.watch.observing import Observing
from steadycast.watching.watch.report import Courses
from steadycast.watching.watch.screen import Shown, screen
from steadycast.watching.watch.words import bars, wrapped


@pytest.mark.parametrize(
    ("words", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("3d", 259_200), ("45", 45), ("1.5h", 5400)]
)
def test_times(words: str, seconds: float) -> None:
    assert seconds_of(words, "--for") == seconds


@pytest.mark.parametrize("words", ["", "0", "-1s", "2 weeks", "soon", "9999d", "nan", "1e9"])
def test_no_times(words: str) -> None:
    with pytest.raises(ConfigError, match="--for"):
        seconds_of(words, "--for")


@pytest.mark.parametrize(
    "aim",
    [Aim(), Aim(pids=(5,), name="x"), Aim(unit="u", command=("c",)), Aim(pids=(5, 6), cgroup="/x"), Aim(pids=(0,)),
     Aim(pids=(os.getpid(),)), Aim(pids=tuple(range(2, 400)))],
)  # fmt: skip
def test_exactly_one_thing_is_watched(aim: Aim) -> None:
    with pytest.raises(ConfigError):
        check_aim(aim)


def test_targets_are_named_as_a_person_would() -> None:
    by_cgroup = targets_of(check_aim(Aim(pids=(7,), cgroup="/docker/abc")), None)
    assert [(one.role, one.pid, one.cgroup) for one in by_cgroup] == [("abc", 7, "/docker/abc")]
    script = Aim(command=("/usr/bin/python3", "-S", "/srv/serve.py", "--fast"))
    assert [one.role for one in targets_of(script, None, 77)] == ["serve.py"]
    for words, role in (
        (("sh", "-c", "while :; do x; done"), "sh"),
        (("python", "-m", "http.server", "80"), "http.server"),
    ):
        assert [one.role for one in targets_of(Aim(command=words), None, 77)] == [role]


def test_one_of_several_pids_may_be_gone() -> None:
    refuse_missing(Aim(pids=(5, 6)), {"a": "process 5 ended"})
    with pytest.raises(ConfigError, match="Process 5 ended"):
        refuse_missing(Aim(pids=(5,)), {"a": "process 5 ended"})


def look(role: str, values: dict[Measured, float], at: float = 0.0, epoch: str = "1:1") -> Look:
    return Look(Owner(role, epoch, 4711), 1e9 + at, at, values)


def test_the_table_fits_a_narrow_terminal() -> None:
    shown = Shown(look("server", {}))
    for number in range(200):
        values = {Measured(Resource.PRIVATE): 1e8 + 1e6 * number, Measured(Resource.DESCRIPTORS): 1e6}
        shown.take(look("server/a-program-of-a-very-long-name[x]", values))
    for width in (80, 140):
        out = io.StringIO()
        console = Console(file=out, width=width, height=24, force_terminal=False)
        console.print(screen([shown] * 40, [], [], 60.0, console.size))
        lines = out.getvalue().splitlines()
        assert len(lines) <= 24 and all(len(line) <= width for line in lines)
        assert "1,000,000" in lines[1] and lines[1].rstrip().endswith("█")


def test_what_is_not_ours_is_told_once_and_plainly() -> None:
    one = Look(Owner("x", "1:1", 9), 0.0, 0.0, {}, {Resource.PRIVATE: "not ours", Resource.DESCRIPTORS: "not ours"})
    assert str(not_readable(one)).startswith("x (process 9): its memory and descriptors cannot be told")


def test_a_series_is_described_by_its_ends_and_its_slope() -> None:
    courses = Courses()
    for at in (60.0 * number for number in range(120)):
        courses.add(look("a", {Measured(Resource.PRIVATE): 100.0 + at / 36}, at))
    courses.add(look("a", {Measured(Resource.PRIVATE): 5.0}, 7200, "2:2"))
    (one,) = courses.series()
    assert (one["first"], one["last"], one["min"], one["lives"], one["slope_per_hour"]) == (5.0, 5.0, 5.0, 2, None)
    for at in (10_800.0, 14_400.0):
        courses.add(look("a", {Measured(Resource.PRIVATE): 5.0 + (at - 7200) / 36}, at, "2:2"))
    assert courses.series()[0]["slope_per_hour"] == pytest.approx(100.0)


def test_pictures_and_wrapped_lines() -> None:
    assert bars([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert bars([], 8) == "" and len(bars(range(1000), 8)) <= 8
    assert list(wrapped("  one two " + "x" * 38, 42)) == ["  one two", "    " + "x" * 38]


def test_a_child_is_shown_below_its_server_and_a_finding_with_its_course() -> None:
    observing = Observing(["server"], None)
    for at in range(240):
        values = {Measured(Resource.DESCRIPTORS): 10.0 + 2 * at, Measured(Resource.PRIVATE): 1e7}
        samples = (
            Sample(look("server", values, at)),
            Sample(look("server/ffmpeg", {Measured(Resource.PRIVATE): 1e6}, at)),
        )
        observing.take(Sampled(samples, {}, (), (), 0.0))
    out = io.StringIO()
    console = Console(file=out, width=100, height=40, force_terminal=False)
    console.print(screen(observing.shown(), observing.findings(), [], 240.0, console.size))
    text = out.getvalue()
    assert "\n└ ffmpeg" in text
    assert "● server (pid 4711) grows by 7,200 descriptors an hour" in text
    assert "  descriptors: 10 ▁" in text and "█ 488" in text


def test_a_group_that_others_share_is_not_judged() -> None:
    for groups in (True, False):
        observing = Observing(["server"], None, groups=groups)
        for at in range(0, 900, 5):
            group = Look(Owner("cgroup:/a.scope", "x"), 1e9 + at, at, {Measured(Resource.CGROUP): 1e8 + 1e6 * at})
            observing.take(Sampled((Sample(group),), {}, (), (), 0.0))
        assert bool(observing.findings()) is groups


def test_what_came_and_went_while_it_was_never_quiet_is_no_proof() -> None:
    courses = Courses()
    for at in range(30):
        courses.add(replace(look("a", {}, at), finished={"session": at}, quiet=False))
    assert courses.readings == 0
    for at in range(12):
        courses.add(replace(look("a", {}, 30 + at), finished={"session": 40 + at // 2}, quiet=True))
    assert courses.readings == 6
    for at in range(3):
        courses.add(replace(look("a", {}, 60 + at, "2:2"), finished={"session": at}, quiet=True))
    assert (courses.readings, courses.ended) == (8, 47)


def test_a_limit_that_is_full_at_the_first_look_is_told_once() -> None:
    observing = Observing(["server"], None)
    for at in range(3):
        bound = Bound("RLIMIT_NOFILE", Measured(Resource.DESCRIPTORS), 20_000, 20_000 - at)
        sample = Sample(look("server", {Measured(Resource.DESCRIPTORS): 20_000.0 - at}, at), (bound,))
        observing.take(Sampled((sample,), {}, (), (), 0.0))
    assert observing.news()[1] == ("server: 20,000 of 20,000 in use (RLIMIT_NOFILE)",)
