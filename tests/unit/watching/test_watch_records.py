"""What was seen comes back from its file; sessions are counted by the lines of a log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from steadycast.errors import ConfigError
from steadycast.model import About, Bound, Look, Measured, Owner, Resource
from steadycast.watching.watch.cycle_log import SETTLE_S, CycleLog, pattern_of
from steadycast.watching.watch.record import Recording, is_recording, judges_groups, read

MEMORY, FDS = Measured(Resource.PRIVATE), Measured(Resource.DESCRIPTORS, "socket")
OWNER = Owner("server/ffmpeg", "7:1", 7, About(command="ffmpeg"))
LOOK = Look(
    OWNER, 1e9, 5.0, {MEMORY: 1.0, FDS: 2.0}, {Resource.PSS: "not ours"}, {"sessions": 1.0}, {"session": 3}, True
)
BOUNDS = (Bound("RLIMIT_NOFILE", Measured(Resource.DESCRIPTORS), 1024.0, 9.0),)
LOOKS = [
    (LOOK, BOUNDS),
    (replace(LOOK, at=1e9 + 1, values={MEMORY: 1.0, FDS: 3.0}, unknown={}), BOUNDS),
    (replace(LOOK, owner=replace(OWNER, epoch="8:1", pid=8), values={MEMORY: 5.0}), ()),
    (replace(LOOK, at=1e9 + 2, values={FDS: 3.0}, quiet=False), ()),
]


@pytest.mark.parametrize("name", ["looks", "looks.gz"])
def test_what_was_recorded_comes_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    recording = Recording(path, {"command": "x"})
    for look, bounds in LOOKS:
        recording.add(look, bounds)
    recording.forget("server/ffmpeg", "7:1")
    recording.close()
    assert is_recording(path)
    assert list(read(path)) == LOOKS


def test_a_line_that_is_cut_off_is_left_out_and_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "looks"
    recording = Recording(path, {})
    for look, bounds in LOOKS:
        recording.add(look, bounds)
    recording.close()
    whole = path.read_text()
    path.write_text(whole[:-20])
    assert list(read(path)) == LOOKS[:-1]
    lines = whole.splitlines(keepends=True)
    path.write_text("".join([lines[0], '{"role": 1}\n', *lines[1:]]))
    with pytest.raises(ConfigError, match="line 2 is not what was recorded"):
        list(read(path))


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "looks"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        Recording(path, {})
    assert path.read_text() == "mine"
    assert not is_recording(path)


def test_sessions_are_counted_by_the_lines_of_a_log() -> None:
    log = CycleLog(pattern_of("sunshine"))
    log.feed(b"[2026]: Info: CLIENT CONN", 10.0)
    log.feed(b"ECTED\n[2026]: Info: CLIENT CONNECTED\nother\n", 10.0)
    told = log.told(10.0 + SETTLE_S / 2)
    assert (told.load, told.finished, told.quiet) == ({"sessions": 2.0}, {"session": 0}, False)
    log.feed(b"x CLIENT DISCONNECTED\n", 100.0)
    told = log.told(100.0 + SETTLE_S)
    assert (told.load, told.finished, told.quiet) == ({"sessions": 1.0}, {"session": 1}, True)


def test_a_pattern_of_ones_own_counts_ends() -> None:
    log = CycleLog(pattern_of(r"session \d+ closed"))
    log.feed(b"session 1 closed\nsession x closed\nsession 22 closed\n")
    assert log.told().finished == {"cycle": 2}
    assert log.told().load == {}


@pytest.mark.parametrize("words", ["(a+)+$", "[", "(x|y)*z(x|y)*z.*.*.*"])
def test_a_pattern_that_may_search_for_ever_is_refused(words: str) -> None:
    with pytest.raises(ConfigError, match="--cycle-log"):
        pattern_of(words)


def test_a_record_whose_writer_was_killed_is_judged_as_far_as_it_goes(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.gz", tmp_path / "cut.gz"
    recording = Recording(whole, {"watched": "pid", "groups": False})
    for number in range(20_000):
        recording.add(replace(LOOK, at=1e9 + number, values={MEMORY: number * 1.234567}), BOUNDS)
    recording.close()
    cut.write_bytes(whole.read_bytes()[:-2000])
    assert is_recording(cut) and not judges_groups(cut)
    assert 1000 < len(list(read(cut))) < 20_000
    cut.write_bytes(whole.read_bytes()[:9000] + b"\0" * 5000)
    with pytest.raises(ConfigError, match=r"damaged|not what was recorded"):
        list(read(cut))
    cut.write_bytes(whole.read_bytes()[:3])
    with pytest.raises(ConfigError, match="cut off"):
        is_recording(cut)
