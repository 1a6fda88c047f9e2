"""What was measured is kept: over kills, full disks, jumping clocks and too many series."""

from __future__ import annotations

import io
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.errors import ConfigError
from steadycast.model import Look, Measured, Owner, Resource
from steadycast.tracking.history.buckets import HOUR, MINUTE, MOST_VALUES, Bucket, Tally, coarser, together
from steadycast.tracking.history.export import COLUMNS, rows, write_csv
from steadycast.tracking.history.history import History
from steadycast.tracking.history.packing import BrokenPieceError, pack_buckets, unpack_buckets
from steadycast.tracking.history.pictures import picture
from steadycast.tracking.history.room import Room

START = 1_750_000_000 // HOUR * HOUR
MEMORY = Measured(Resource.PRIVATE)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


def look(at: float, *values: float, role: str = "lobby:a", epoch: str = "1:1") -> Look:
    measured = {Measured(Resource.DESCRIPTORS, str(number)): value for number, value in enumerate(values[1:])}
    return Look(Owner(role, epoch), at, at, {MEMORY: values[0], **measured})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    one = History(path, Room(save_s=300))
    yield one
    one.close()


def only(history: History) -> int:
    (known,) = history.series()
    return known.id


def values_of(history: History) -> list[float]:
    return [bucket.median for bucket in history.seconds(only(history), START, START + 10 * HOUR)]


def test_seconds_minutes_and_hours_tell_the_same(history: History) -> None:
    said = {START + second: float(second % 977) for second in range(0, 3 * HOUR, 10)}
    for at, value in said.items():
        history.add(look(at, value))
        if at % 30 == 0:
            history.flush(at)
    for number, bucket in enumerate(history.minutes(only(history), START, START + 3 * HOUR)):
        within = [value for at, value in said.items() if bucket.at <= at < bucket.at + MINUTE]
        assert bucket == Bucket(START + number * MINUTE, MINUTE, 6, min(within), median(within), max(within))
    hours = history.hours(only(history), START, START + 3 * HOUR)
    assert [(bucket.at - START, bucket.count) for bucket in hours] == [(0, 360), (HOUR, 360), (2 * HOUR, 360)]
    for bucket in hours:
        within = [value for at, value in said.items() if bucket.at <= at < bucket.at + HOUR]
        assert (bucket.low, bucket.high) == (min(within), max(within))
        assert bucket.low <= bucket.median <= bucket.high
    assert history.seconds(only(history), START, START + 3 * HOUR)[-1].median == said[START + 3 * HOUR - 10]


WRITER = """
import sys
from pathlib import Path
from steadycast.model import Look, Measured, Owner, Resource
from steadycast.tracking.history.history import History
from steadycast.tracking.history.room import Room
history = History(Path(sys.argv[1]), Room(save_s=600))
start, flushed = int(sys.argv[2]), 0
for second in range(0, 10_000_000, 5):
    history.add(Look(Owner("egress", "1:1"), start + second, second, {Measured(Resource.PRIVATE): float(second)}))
    history.flush(second)
    print(second, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 150, 1500])
def test_a_kill_loses_nothing_that_was_flushed(path: Path, lines: int) -> None:
    command = [sys.executable, "-c", WRITER, str(path), str(START)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(lines):
            last = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
    history = History(path)
    try:
        buckets = history.minutes(only(history), START, START + 100 * HOUR)
        assert sum(bucket.count for bucket in buckets) >= last // 5 + 1
        assert [bucket.count for bucket in buckets[:-1]] == [12] * (len(buckets) - 1)
        assert buckets[-1].high >= last
        hours = history.hours(only(history), START, START + 100 * HOUR)
        assert sum(bucket.count for bucket in hours) == sum(bucket.count for bucket in buckets)
    finally:
        history.close()


def test_it_is_opened_again_and_goes_on(path: Path) -> None:
    for part in range(6):
        history = History(path, Room(save_s=120))
        for second in range(part * 400, (part + 1) * 400, 4):
            history.add(look(START + second, float(second), epoch=f"{part}:1"))
            history.flush(second)
        history.close()
    history = History(path)
    minutes = history.minutes(only(history), START, START + HOUR)
    assert [bucket.count for bucket in minutes] == [15] * 40
    assert [at - START for at, _ in history.epochs("lobby:a")] == [0, 400, 800, 1200, 1600, 2000]
    history.close()


def test_a_disk_that_says_no_loses_nothing_within_bounds(path: Path, tmp_path: Path) -> None:
    history = History(path, Room(waiting=1000))
    history.add(look(START, 1.0))
    history.flush(0)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("PRAGMA busy_timeout = 0")
    history._archive._db.execute("PRAGMA busy_timeout = 0")
    blocker.execute("BEGIN IMMEDIATE")
    history.add(look(START + 1, 2.0))
    history.flush(1)
    assert history.statistics().fault is not None
    assert values_of(history) == [1.0, 2.0]
    for second in range(2, 3000):
        history.add(look(START + second, float(second)))
    counts = history.statistics()
    assert counts.waiting <= 1000
    assert counts.lost + counts.waiting == 2999
    blocker.close()
    history.flush(3000)
    assert history.statistics().fault is None
    assert history.statistics().waiting == 0
    history.close()


def test_too_many_series_drop_those_not_seen_for_longest(path: Path) -> None:
    history = History(path, Room(series=10))
    for number in range(50):
        history.add(look(START + number * 60, 1.0, role=f"lobby:{number}"))
        history.flush(number * 60)
    assert [known.role for known in history.series()] == [f"lobby:{number}" for number in range(40, 50)]
    assert history.statistics().series_dropped == 40
    assert history.epochs("lobby:0") == []
    assert len(history.epochs("lobby:49")) == 1
    assert len(history._epochs) == len(history._roles) == 10
    history.close()
    history = History(path, Room(series=10))
    assert len(history.series()) == 10
    history.close()


def test_the_file_stays_below_its_bound(path: Path) -> None:
    rng = random.Random(7)
    room = Room(journal_rows=10, file_bytes=200_000, save_s=HOUR)
    history = History(path, room)
    for minute in range(0, 2 * 24 * 60, 2):
        at = START + minute * 60
        history.add(look(at, *(rng.random() for _ in range(20))))
        if minute % 20 == 0:
            history.flush(at)
    assert (history.statistics().file_bytes or 0) < 400_000
    known = history.series()[0]
    hours = history.hours(known.id, START, START + 3 * 24 * HOUR)
    assert len(hours) == 2 * 24  # minutes went first
    history.close()
    assert path.stat().st_size < 700_000


def test_a_clock_that_jumps_empties_nothing(history: History) -> None:
    for second in range(0, 1800, 10):
        history.add(look(START + second, 1.0))
        history.flush(second)
    for second in range(0, 1800, 10):
        history.add(look(START + 20 * 365 * 86_400 + second, 2.0))
        history.flush(1800 + second)
    for second in range(1800, 3600, 10):
        history.add(look(START + second, 3.0))
        history.flush(1800 + second)
    minutes = history.minutes(only(history), START, START + HOUR)
    assert [bucket.median for bucket in minutes] == [1.0] * 30 + [3.0] * 30
    back = [bucket.count for bucket in history.hours(only(history), START, START + HOUR - 1)]
    assert back == [360]


def test_unknown_is_not_kept(history: History) -> None:
    history.add(Look(Owner("a", "1:1"), START, 0, {MEMORY: float("nan"), Measured(Resource.PSS): float("inf")}))
    assert history.series() == []


def test_a_file_of_another_program_is_refused_and_kept(path: Path) -> None:
    path.write_text("this is no database" * 100)
    with pytest.raises(ConfigError, match="cannot be used as the file of what was measured"):
        History(path)
    assert path.read_text() == "this is no database" * 100


def test_a_broken_piece_is_left_out_and_counted(path: Path) -> None:
    history = History(path, Room(save_s=60))
    for second in range(0, 2 * HOUR, 10):
        history.add(look(START + second, 1.0))
        history.flush(second)
    history._archive._db.execute("UPDATE pieces SET piece = x'00ff' WHERE step = 60 AND start = ?", (START,))
    minutes = history.minutes(only(history), START, START + 2 * HOUR)
    assert [bucket.at for bucket in minutes] == [START + HOUR + number * 60 for number in range(60)]
    assert history.statistics().broken >= 1
    history.close()


@pytest.mark.parametrize(("span", "points"), [(60, 100), (600, 50), (HOUR, 7), (3 * HOUR, 1000), (30 * HOUR, 10)])
def test_pictures_show_every_extreme(history: History, span: float, points: int) -> None:
    for second in range(0, 30 * HOUR, 30):
        history.add(look(START + second, 1000.0 if second == 240 else -5.0 if second == 270 else 1.0))
        if second % 60 == 0:
            history.flush(second)
    (known,) = history.series()
    shown = picture(history, known, START, START + span, points)
    assert 0 < len(shown.buckets) <= points
    assert all(one.at < other.at for one, other in zip(shown.buckets, shown.buckets[1:], strict=False))
    if span > 270:
        assert max(bucket.high for bucket in shown.buckets) == 1000.0
        assert min(bucket.low for bucket in shown.buckets) == -5.0
        assert sum(bucket.count for bucket in shown.buckets) == pytest.approx(span / 30 + 1, abs=1)


def test_export_has_a_row_a_bucket(history: History) -> None:
    for second in range(0, 300, 10):
        history.add(look(START + second, float(second), 7.0))
    table = io.StringIO()
    assert write_csv(rows(history, history.series(), START, START + HOUR, "minutes"), table) == 10
    lines = table.getvalue().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert lines[1] == "2025-06-15T15:00:00+00:00,lobby:a,descriptors,0,count,60,6,7.0,7.0,7.0"


@given(st.lists(numbers, min_size=1, max_size=60))
def test_what_is_packed_comes_back(values: list[float]) -> None:
    buckets = [Bucket(60.0 * at, 60, at + 1, value, value, value) for at, value in enumerate(values)]
    assert unpack_buckets(pack_buckets(buckets, 0.0), 0.0, 60) == buckets


@given(st.binary(max_size=200))
def test_bytes_that_were_not_packed_are_refused(piece: bytes) -> None:
    with pytest.raises(BrokenPieceError):
        unpack_buckets(piece, 0.0, 60)


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(-1e9, 1e9)), min_size=1, max_size=100))
def test_coarser_buckets_lose_no_count_and_no_extreme(values: list[tuple[int, float]]) -> None:
    ones = [Bucket(float(at), 1, 1, value, value, value) for at, value in sorted(values)]
    for width in (60.0, 3600.0):
        merged = coarser(ones, width)
        assert sum(bucket.count for bucket in merged) == len(values)
        assert min(bucket.low for bucket in merged) == min(value for _, value in values)
        assert max(bucket.high for bucket in merged) == max(value for _, value in values)
        assert all(bucket.low <= bucket.median <= bucket.high and bucket.at % width == 0 for bucket in merged)
    both = together(coarser(ones, 60.0), coarser(ones, 60.0))
    assert sum(bucket.count for bucket in both) == 2 * len(values)


def test_a_tally_of_many_is_bounded() -> None:
    tally = Tally(0.0, 60.0)
    for value in range(100_000):
        tally.add(float(value))
        assert len(tally._values) <= MOST_VALUES
    bucket = tally.bucket()
    assert bucket is not None
    assert (bucket.count, bucket.low, bucket.high) == (100_000, 0.0, 99_999.0)
    assert abs(bucket.median - 50_000) < 1_000
