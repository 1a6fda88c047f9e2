"""The shipped table holds together, and somebody's own file is taken or refused with a clear reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from steadycast.errors import ConfigError
from steadycast.tracking.signatures import load_table
from steadycast.tracking.signatures.patterns import rarity

TABLE = load_table()
SYSTEMS = sorted({one.system for one in TABLE.signatures.values()})
OWN = """
system = "ours"
[[signature]]
id = "ours.stuck"
name = "The pump is stuck"
patterns = ['{pattern}']
examples = ["pump 7 is stuck for good"]
meaning = "It does not turn."
cause = "Dirt."
remedy = "{remedy}"
do = "Clean it."
source = "us"
{more}
"""


def own(folder: Path, pattern: str = "is stuck for good", remedy: str = "retry", more: str = "") -> Path:
    path = folder / "own.toml"
    path.write_text(OWN.format(pattern=pattern, remedy=remedy, more=more))
    return path


def test_all_that_was_researched_is_there() -> None:
    assert len(TABLE.signatures) >= 115
    assert {one.id.partition(".")[0] for one in TABLE.signatures.values()} >= {
        "gl", "egl", "mesa", "drm", "nvenc", "nvdec", "nvfbc", "cuda", "xid", "nvrm", "va", "gst", "ffmpeg", "vulkan",
        "dxgi", "d3d", "mf", "vt", "qsv", "amf", "rtsp", "system", "kernel", "systemd",
    }  # fmt: skip


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_example_is_known_as_what_it_is_an_example_of(system: str) -> None:
    for one in TABLE.signatures.values():
        for line in one.examples if one.system == system else ():
            found = TABLE.match(line)
            assert found is not None, line
            assert found[0].id == one.id, line


def test_no_literal_is_in_what_any_log_is_full_of() -> None:
    assert [literal for literal in TABLE.by_literal if rarity(literal) < 1] == [], "every other line would be searched"
    assert [literal for literal in TABLE.by_literal if rarity(literal) < 3 and len(literal) < 11] == []


def test_causes_are_shares_and_name_signatures_that_exist() -> None:
    for one in TABLE.signatures.values():
        assert not one.causes or sum(cause.prior for cause in one.causes) == pytest.approx(1.0), one.id
        assert all(general in TABLE.signatures for general in one.beats), one.id
        for cause in one.causes:
            for kind in (*cause.lines, *cause.hints):
                assert any(known == kind or (kind[-1] == "." and known.startswith(kind)) for known in TABLE.signatures)


def test_one_can_add_signatures_of_ones_own(tmp_path: Path) -> None:
    found = load_table([own(tmp_path)]).match("12:00 pump 9 is stuck for good now")
    assert found is not None
    assert (found[0].id, found[0].system) == ("ours.stuck", "ours")
    assert load_table().match("pump 9 is stuck for good") is None, "the shipped table stays as it is"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"more": "colour = 1"}, "unknown key colour"),
        ({"more": "root = 12"}, "root must be"),
        ({"more": "sure = 2"}, "sure must be"),
        ({"more": 'causes = "weather"'}, "no set 'weather'"),
        ({"remedy": "pray"}, "remedy must be one of"),
        ({"pattern": "(unclosed stuck"}, "is no regular expression"),
        ({"pattern": "(?:[a-z]+)*stuck for good"}, "without a bound"),
        ({"pattern": "(?:[a-z]{1,9}){1,9} is stuck for good"}, "a repeat inside a repeat"),
        ({"pattern": "(?:a|ab){1,50} is stuck for good"}, "a choice inside a repeat"),
        ({"pattern": r"(\\w{1,9}) is stuck for \\1"}, "is not allowed"),
        ({"pattern": ".{0,200}x.{0,200}y.{0,200} is stuck for good"}, "could try"),
        ({"pattern": "stuck|for good"}, "plain characters in a row"),
        ({"pattern": "something else entirely"}, "do not match its example"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, change: dict[str, str], said: str) -> None:
    change = {key: value.replace("\\\\", "\\") for key, value in change.items()}
    with pytest.raises(ConfigError, match=r"own\.toml") as caught:
        load_table([own(tmp_path, **change)])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "system = ", "[signature]\nx = 1", 'system = "x"', "\x00", 'system = "x"\ncauses = 3']
)
def test_any_file_that_is_none_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"own\.toml"):
        load_table([path])


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml"):
        load_table([tmp_path / "gone.toml"])


def test_no_pattern_searches_for_long_whatever_it_is_given() -> None:
    """Steps of the engine cannot be counted, so it is a great many of the worst lines: they would take hours if one
    pattern of the table could go wrong."""
    for one in TABLE.signatures.values():
        for line in one.examples:
            cut = max(1, len(line) // 2)
            for evil in (line[:-1] * 20, (line[:cut] * 40)[:4000], line[:cut] + " " * 3000, line[:cut] + "a" * 3000):
                for pattern in one.patterns:
                    pattern.search(evil[:4000])


def test_small_logs_need_no_numpy() -> None:
    """Workers feed their own few lines through it."""
    code = (
        "import sys; from steadycast.tracking.signatures import *; m = Matcher(load_table());"
        "assert m.feed(b'accept: Too many open files\\n'); assert 'numpy' not in sys.modules, 'numpy was loaded'"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
