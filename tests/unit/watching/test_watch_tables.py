"""Tables of other tools, as they come."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.errors import ConfigError
from steadycast.model import Resource
from steadycast.tracking.history.export import COLUMNS
from steadycast.watching.watch.analysis import analyse_table
from steadycast.watching.watch.csvs import Table, read_table


def table(tmp_path: Path, text: str, time: str | None = None) -> Table:
    path = tmp_path / "t.csv"
    path.write_text(text)
    return read_table(path, time)


def test_names_units_gaps_duplicates_and_text(tmp_path: Path) -> None:
    text = "timestamp,rss_mb,fd count,note\n"
    text += '2026-11-30 10:00:00,1.5 MB,10,a\n2026-11-30 10:01:00,n/a,11,b\n\n2026-11-30 10:02:00,"1,000 KiB",12,c\n'
    text += "2026-11-30 10:02:00,2 MB,13,c\nyesterday,3,14,\n2026-11-30 10:04:00,4e6,15\n"
    found = table(tmp_path, text)
    rss, fds = found.columns
    assert (rss.name, rss.resource) == ("rss_mb", Resource.PRIVATE)
    assert (fds.name, fds.resource) == ("fd count", Resource.DESCRIPTORS)
    assert rss.values == [1.5e6, 2e6, 4e6]
    assert fds.values == [10, 11, 13, 15]
    assert [at - fds.times[0] for at in fds.times] == [0, 60, 120, 240]
    assert found.dated
    assert found.notes == (
        "1 row without a time left out",
        "column 'rss_mb': 1 cell without a number left out",
        "column 'note' has 0 numbers: not judged",
        "1 row with the time of another: the later one counts",
    )


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_times_of_any_scale_and_any_delimiter(tmp_path: Path, scale: float, delimiter: str) -> None:
    rows = [f"{(1_760_000_000 + n * 60) * scale:.0f}{delimiter}{n}" for n in range(5)]
    (column,) = table(tmp_path, "\n".join([f"time{delimiter}x", *rows])).columns
    assert column.times == [1_760_000_000 + n * 60 for n in range(5)]


def test_rows_in_any_order_are_sorted(tmp_path: Path) -> None:
    (column,) = table(tmp_path, "t,x\n30,3\n10,1\n20,2\n").columns
    assert (column.times, column.values) == ([10, 20, 30], [1, 2, 3])


def test_compressed_and_a_named_column_of_times(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("x,clock\n1,10\n2,20\n3,30\n")
    (column,) = read_table(path, "clock").columns
    assert (column.name, column.times) == ("x", [10, 20, 30])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("a\0b", "binary"),
        ("t,x\n1,1\n", "no column with at least 3 numbers"),
        ("t,x\na,1\nb,2\nc,3\n", "no column with at least 3 numbers"),
        ("1,2\n3,4\n5,6\n", "no line with names"),
        ("t,words\n1,a\n2,b\n3,c\n", "no column with at least 3 numbers"),
    ],
)
def test_what_cannot_be_judged_is_told(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        table(tmp_path, text)


def test_no_such_column_of_times_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no column 'when'"):
        table(tmp_path, "t,x\n1,1\n2,2\n3,3\n", "when")


@given(st.text(max_size=400))
def test_garbage_is_a_table_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_text(text, errors="replace")
    try:
        found = read_table(path)
    except ConfigError:
        return
    assert all(len(one.times) == len(one.values) >= 1 for one in found.columns)


def test_what_a_host_exported_of_itself_is_judged_series_by_series(tmp_path: Path) -> None:
    path = tmp_path / "held.csv"
    rows = [",".join(COLUMNS)]
    for minute in range(12 * 60):
        at = datetime.fromtimestamp(1.79e9 + 60 * minute, UTC).isoformat()
        for role, resource, detail, unit, value in (
            ("lobby:a", "descriptors", "socket", "count", 10 + minute),
            ("lobby:a", "memory.private", "", "bytes", 8e7 + 1000 * (minute % 7)),
            ("gpu:0", "gpu.busy", "", "ratio", 0.5),
            ("lobby:a", "of a later version", "", "count", 1),
        ):
            rows.append(f"{at},{role},{resource},{detail},{unit},60.0,60,{value - 1},{value},{value + 5}")
    path.write_text("\n".join(rows) + "\n")
    found = analyse_table(path)
    told = {one.judged.name: (one.judged.resource, one.verdict) for one in found.columns}
    assert told["lobby:a memory.private"] == (Resource.PRIVATE, "nothing")
    assert told["lobby:a descriptors socket"][1] in ("suspect", "leaks")
    assert len(told) == 2 and found.notes == ("720 rows of what this version does not know left out",)
