"""`steadycast diagnose` on files, standard input and what is no log, and when a followed log is told."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from steadycast.cli.commands import app
from steadycast.cli.diagnose_watch import LONGEST_S, QUIET_S, Announcing
from steadycast.cli.log_files import blocks
from steadycast.errors import CallerError
from steadycast.tracking.signatures import Diagnosis, Incidents, Matcher, load_table

LINE = "2026-03-01T10:00:00Z [h264_nvenc @ 0x55d0] OpenEncodeSessionEx failed: out of memory (10): (no details)\n"


def run(*words: str, data: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["diagnose", *words], input=data)


def log(folder: Path, text: str = LINE, name: str = "server.log") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_log_is_explained(tmp_path: Path) -> None:
    result = run(log(tmp_path))
    assert result.exit_code == 1
    for word in (
        "out of memory (10)",
        "probable (55%)",
        "cap on encoder sessions",
        "to be sure",
        "nvidia-smi",
        "not known",
    ):
        assert word in " ".join(result.stdout.split())


def test_json_is_one_object(tmp_path: Path) -> None:
    result = run("--json", log(tmp_path))
    told = json.loads(result.stdout)
    assert (told["lines"], told["bytes"], told["logs"]) == (1, len(LINE), [str(tmp_path / "server.log")])
    (one,) = told["diagnoses"]
    assert (one["signature"], one["remedy"], one["sure"], one["sure_words"]) == (
        "nvenc.open-memory", "fallback", 0.55, "probable",
    )  # fmt: skip
    assert one["alternatives"][0].keys() >= {"what", "sure", "sure_words", "remedy", "do", "ask"}


def test_the_page_names_every_key_of_the_json(tmp_path: Path) -> None:
    told = json.loads(run("--json", log(tmp_path)).stdout)
    (one,) = told["diagnoses"]
    page = (Path(__file__).resolve().parents[3] / "docs" / "diagnose.md").read_text()
    named = page[page.index("## As JSON") : page.index("## Signatures of your own")]
    keys = {*told, *one, *one["evidence"][0], *one["alternatives"][0]}
    assert [key for key in sorted(keys) if key not in named] == []


def test_facts_of_a_process_that_runs_are_weighed(tmp_path: Path) -> None:
    told = json.loads(run("--json", "--pid", str(os.getpid()), log(tmp_path, LINE[21:])).stdout)
    assert any("descriptors are open" in text for text in told["diagnoses"][0]["known"])


def test_lines_from_before_the_process_get_no_facts(tmp_path: Path) -> None:
    result = run("--pid", str(os.getpid()), log(tmp_path, LINE.replace("2026", "2001")))
    assert "were weighed without its facts" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("facts", "why", "remedy"),
    [
        (("descriptors=1020/1024",), "out of file descriptors", "recycle"),
        (("vram=100MiB/8GiB", "descriptors=90/1024"), "no memory left", "deny"),
        (("sessions=8/8", "vram=6.5G/8G"), "cap on encoder sessions", "fallback"),
    ],
)
def test_the_same_line_is_three_things_by_what_a_person_knows(
    tmp_path: Path, facts: tuple[str, ...], why: str, remedy: str
) -> None:
    words = [word for fact in facts for word in ("--fact", fact)]
    (one,) = json.loads(run("--json", *words, log(tmp_path)).stdout)["diagnoses"]
    assert why in one["why"]
    assert one["remedy"] == remedy
    assert one["sure"] > 0.8


@pytest.mark.parametrize(
    "word", ["speed=1/2", "vram=1G", "vram=x/8G", "sessions=1M/8", "new=perhaps", "descriptors=1/"]
)
def test_what_a_person_says_must_be_clear(tmp_path: Path, word: str) -> None:
    result = run("--fact", word, log(tmp_path))
    assert result.exit_code == 2
    assert "descriptors=1020/1024" in result.stderr


def test_where_nothing_is_known_the_likely_lines_are_shown(tmp_path: Path) -> None:
    text = "all is well\n" * 500 + "[mod] ERROR: the flux is gone, user=rtsp://a:secret@b\n" + "all is well\n" * 50
    result = run(log(tmp_path, text))
    assert result.exit_code == 0
    assert "551 lines" in result.stdout
    assert "the flux is gone" in result.stdout
    assert "secret" not in result.stdout


@pytest.mark.parametrize("data", [b"", b"\x00" * 5000, bytes(range(256)) * 400, b"x" * 300_000], ids=len)
def test_whatever_it_is_given(data: bytes) -> None:
    result = run("-", data=data)
    assert result.exit_code == 0, result.exception
    assert ("Nothing is known in" if data else "not one line") in result.stdout


def test_compressed_logs_and_several(tmp_path: Path) -> None:
    (tmp_path / "old.log.gz").write_bytes(gzip.compress(LINE.encode() * 3))
    told = json.loads(run("--json", str(tmp_path / "old.log.gz"), log(tmp_path)).stdout)
    assert told["lines"] == 4
    for packed in (lzma.compress(LINE.encode()), bz2.compress(LINE.encode()), LINE.encode("utf-16")):
        (tmp_path / "old.log").write_bytes(packed)
        assert json.loads(run("--json", str(tmp_path / "old.log")).stdout)["lines"] == 1
    for other in (b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"\x7fELF"):
        (tmp_path / "other").write_bytes(other + LINE.encode())
        assert run(str(tmp_path / "other")).exit_code == 2, "nothing would be found in it"
    (tmp_path / "cut.gz").write_bytes(gzip.compress(LINE.encode() * 300)[:-10])
    assert run(str(tmp_path / "cut.gz")).exit_code == 2


def test_a_pipe_is_read_to_its_end() -> None:
    reading, writing = os.pipe()
    os.write(writing, LINE.encode())
    os.close(writing)
    try:
        assert run(f"/dev/fd/{reading}").exit_code == 1
    finally:
        os.close(reading)


def test_without_standard_input_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CallerError, match="closed"):
        list(blocks("-"))


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    for words, said in (
        ([str(tmp_path / "gone.log")], "cannot be read"),
        ([str(tmp_path)], "Is a directory"),
        (["--pid", "999999999", log(tmp_path)], "no process"),
        (["--signatures", str(tmp_path / "gone.toml"), log(tmp_path)], "gone.toml"),
        ([], "name logs"),
        (["--unit", "a", log(tmp_path)], "name logs"),
        (["--follow", "--wait", "0", str(tmp_path / "gone.log")], "did not come"),
    ):
        result = run(*words)
        assert result.exit_code == 2, words
        assert said in result.stderr, words


def test_without_journald_a_unit_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("--unit", "wolf")
    assert result.exit_code == 2
    assert "journalctl is not on this machine" in result.stderr


def test_a_journal_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "journalctl"
    entry = json.dumps({"MESSAGE": LINE.strip(), "_PID": "4711", "__REALTIME_TIMESTAMP": "1770000000000000"})
    program.write_text(f"#!/bin/sh\n[ \"$1\" = --unit=wolf ] || {{ echo no such unit >&2; exit 1; }}\necho '{entry}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert json.loads(run("--json", "--unit", "wolf").stdout)["diagnoses"][0]["pid"] == 4711
    failed = run("--unit", "other")
    assert failed.exit_code == 2
    assert "no such unit" in failed.stderr


def test_the_process_of_a_unit_is_found_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = json.dumps({"MESSAGE": LINE[21:].strip()})
    for name, said in (("journalctl", entry), ("systemctl", str(os.getpid()))):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (one,) = json.loads(run("--json", "--unit", "wolf").stdout)["diagnoses"]
    assert any("descriptors are open" in text for text in one["known"])


def diagnoses(text: str) -> list[Diagnosis]:
    incidents, matcher = Incidents(), Matcher(load_table())
    return [one for match in matcher.feed(text.encode()) if (one := incidents.add(match))]


def test_an_incident_is_told_once_it_is_quiet() -> None:
    (one,) = diagnoses(LINE)
    announcing = Announcing()
    announcing.news(one, 0.0)
    assert announcing.due(QUIET_S / 2) == []
    assert announcing.due(QUIET_S) == [one]
    assert announcing.due(100.0) == []


def test_one_that_goes_on_is_told_anyway_and_its_repeats_seldom() -> None:
    news = diagnoses("".join(LINE.replace("01T", f"{day:02d}T") for day in range(1, 29)))
    assert len(news) == 28
    announcing = Announcing()
    told: list[Diagnosis] = []
    for at, one in enumerate(news):
        announcing.news(one, at * 0.5)
        told += announcing.due(at * 0.5)
    told += announcing.due(60.0, all_=True)
    assert told[0].occurrences <= LONGEST_S / 0.5 + 1
    assert len(told) <= 3
