"""Policies of guard: what is wrong with one is one clear line; shipped ones load."""

from __future__ import annotations

from pathlib import Path

import pytest

from steadycast.errors import ConfigError
from steadycast.watching.common.patterns import check_pattern
from steadycast.watching.guard.load import load_policy
from steadycast.watching.guard.policy import Policy

TARGET = '[target]\ncommand = ["server"]\n'


def load(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "server.toml"
    path.write_text(text)
    return load_policy(path)


WRONG = [
    ("", "target: it is missing"),
    ("[targe]\n", "targe: there is no such key; did you mean 'target'?"),
    (TARGET + "speed = 1\n", "target.speed: there is no such key; allowed: background, command"),
    ('[target]\ncommand = "server"\n', "target.command: must be a list"),
    ('[target]\ncommand = ["a"]\nunit = "b"\n', "command and unit are both set; allowed is exactly one"),
    ("[target]\nuser = true\n", "nothing says what to guard"),
    ('[target]\npid_file = "/run/a.pid"\n', "program is missing"),
    ('[target]\npid_file = "/run/a.pid"\nprogram = "a"\n', "start is missing"),
    (TARGET + '[budget]\nrestarts = "5"\n', "budget.restarts: must be a whole number"),
    (TARGET + "[budget]\nrestarts = 0\n", "budget.restarts: must be greater than or equal to 1"),
    (TARGET + "[budget]\nbackoff_s = [9, 1]\n", "the first wait is longer than the longest"),
    (TARGET + '[[health]]\nname = "a"\nkind = "udp"\n', "health.0: 'kind' must be one of 'command', 'http', 'rtsp'"),
    (TARGET + '[[health]]\nname = "a"\nkind = "rtsp"\nurl = "http://a"\n', "health.0.url: must be an address that beg"),
    (TARGET + '[[health]]\nname = "a"\nkind = "http"\nurl = "http://a"\nevery = 1\n', "did you mean 'every_s'?"),
    (TARGET + '[[signatures]]\nname = "a"\npattern = "(a+)+$"\n', "signatures.0.pattern: has a repeat inside a rep"),
    (TARGET + '[[signatures]]\nname = "a"\npattern = "(a"\n', "signatures.0.pattern: is no regular expression"),
    (TARGET + '[[signatures]]\nname = "a"\npattern = "a"\nact = "kill"\n', "must be 'restart', 'quiet' or 'tell'"),
    (TARGET + "[age]\nmax_s = 86400\n", "age.act is 'quiet', which needs a table [quiet]"),
    (TARGET + '[age]\nmax_s = 5\nact = "restart"\n', "age.max_s is not longer than start.ready_s"),
    (TARGET + '[age]\nmax_s = 300\nact = "restart"\n', "age.max_s alone would use up the budget"),
    (TARGET + '[quiet]\nbegin = "3"\nend = "04:00"\n', 'quiet.begin: must be a time of day, like "03:30"'),
    (TARGET + '[quiet]\nbegin = "03:00"\n', "only one of begin and end is set"),
    (TARGET + '[quiet.watching]\nurl = "http://a"\n', "pattern is needed with command and url"),
    (TARGET + "[budget]\nwindow_s = nan\n", "budget.window_s"),
    (TARGET + "[api]\ntoken_hash = 'x'\nport = 1000\n", "api.token_hash: not what `steadycast token hash` printed"),
    (TARGET + "[known]\nignore = ['gl.out-of-memry']\n", "no signature 'gl.out-of-memry'; did you mean 'gl.out-of-m"),
    ("target = [", "it is not TOML"),
]


@pytest.mark.parametrize(("text", "line"), WRONG, ids=[line[:40] for _, line in WRONG])
def test_a_bad_policy_is_one_clear_line(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert line in caught.value.what
    assert "\n" not in caught.value.what


def test_a_policy_may_be_short_and_is_named_after_its_file(tmp_path: Path) -> None:
    policy = load(tmp_path, TARGET)
    assert policy.name == "server"
    assert policy.target.stops_with_guard
    assert not load(tmp_path, '[target]\nunit = "a.service"\n').target.stops_with_guard


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a*b?)*", "(a|a)*", r"(\w+\s?)+", ".*.*.*", r"(a)\1", "(?=a)b", "a{1,9999}.*.*"]
)
def test_patterns_that_may_search_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"repeat|choice|uses|too long"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["GL_OUT_OF_MEMORY", r"smithay.*\[GL\] GL_\w+", "(?:ERROR|WARN) x", r"a(?:\[b\] )?c", r'"sessions":\s*\[\s*\]'],
)
def test_plain_patterns_are_taken(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[3] / "deploy" / "guard").glob("*.toml")), ids=lambda p: p.name
)
def test_shipped_policies_load(path: Path) -> None:
    assert load_policy(path).name == path.stem
