"""Tables of other tools, judged: what leaks, what does not, what is too short; load and cycles taken from columns."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from steadycast.errors import ConfigError
from steadycast.watching.watch.analysis import Analysed, analyse_table, table_plain, told

Row = Callable[[int, random.Random], str]


def table(folder: Path, head: str, row: Row, rows: int) -> Path:
    path = folder / "table.csv"
    rolls = random.Random(7)
    path.write_text("\n".join([head, *(row(number, rolls) for number in range(rows))]) + "\n")
    return path


def verdicts(found: Analysed) -> dict[str, str]:
    return {one.judged.name: one.verdict for one in found.columns}


def words(found: Analysed) -> str:
    return "\n".join(line for one in found.columns for line in told(found, one))


def test_growth_with_time_is_named_with_its_rate_in_the_units_of_the_table(tmp_path: Path) -> None:
    def row(number: int, rolls: random.Random) -> str:
        at = 1_790_000_000 + 300 * number
        return f"{at},{400 + number / 12 * 6 + rolls.uniform(-3, 3):.1f},{400 + rolls.uniform(-3, 3):.1f}"

    found = analyse_table(table(tmp_path, "time,rss_mb,heap_mb", row, 576))
    assert verdicts(found) == {"rss_mb": "suspect", "heap_mb": "nothing"}
    (one,) = table_plain(found)["findings"]
    assert (one["column"], one["resource"], one["state"], one["unit"]) == ("rss_mb", "memory.private", "suspect", "mb")
    assert one["per_hour"]["low"] <= one["per_hour"]["value"] == pytest.approx(6, rel=0.15)
    assert "MB an hour" in words(found) and "since 2026-09-2" in words(found)
    assert table_plain(analyse_table(tmp_path / "table.csv")) == table_plain(found)


def test_a_row_a_cycle_names_the_descriptor_that_each_one_loses(tmp_path: Path) -> None:
    def row(number: int, rolls: random.Random) -> str:
        return f"{number},{20 + 6 * number},{8 + number % 2}"

    path = table(tmp_path, "cycle,fds,threads", row, 30)
    found = analyse_table(path)
    assert verdicts(found) == {"fds": "leaks", "threads": "nothing"}
    assert found.confirmed == 1 and "6 a cycle" in words(found) and "an hour" not in words(found)


def test_sessions_explain_what_they_hold_and_count_what_each_loses(tmp_path: Path) -> None:
    def row(number: int, rolls: random.Random) -> str:
        sessions, ended = (number // 4) % 2, number // 8
        return f"{60 * number},{50 + 9 * sessions},{50 + 9 * sessions + 6 * ended},{sessions}"

    found = analyse_table(table(tmp_path, "t,fds,sockets,sessions", row, 240))
    assert verdicts(found) == {"fds": "nothing", "sockets": "leaks"}
    assert "6 a session" in words(found) and "'sessions' is taken as load" in found.notes


def test_another_pid_is_another_life_and_what_it_loses_comes_back(tmp_path: Path) -> None:
    def row(number: int, rolls: random.Random) -> str:
        life, at = divmod(number, 150)
        return f"{60 * number},{20 + at // 8},{1000 + life},{(at // 4) % 2}"

    path = table(tmp_path, "t,fds,pid,sessions", row, 450)
    found = analyse_table(path)
    assert verdicts(found) == {"fds": "leaks"}
    assert "it came back after each restart of its owner" in words(found)


def test_what_is_too_short_says_how_long_is_needed(tmp_path: Path) -> None:
    found = analyse_table(table(tmp_path, "t,mem_mb", lambda number, rolls: f"{number * 60},{number % 3}", 20))
    assert verdicts(found) == {"mem_mb": "too short"}
    assert "too short to tell (20 rows, 19 minutes): at least 3.0 hours are needed" in words(found)


def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    path = table(tmp_path, "t,a,b", lambda number, rolls: f"{number},1,{number % 2}", 9)
    with pytest.raises(ConfigError, match="no column 'c'"):
        analyse_table(path, loads=["c"])
    with pytest.raises(ConfigError, match="'b' does not count up"):
        analyse_table(path, counter="b")
    assert analyse_table(path, loads=["none"]).notes == ()
