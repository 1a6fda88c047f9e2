"""Evidence stays small, private and readable, whatever a worker said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.lobbies.mask import masked_text
from steadycast.model import WorkerKind
from steadycast.tracking.facts import ProcessFacts, ThreadFacts
from steadycast.workers.codec import from_plain
from steadycast.workers.evidence import CASE_BYTES, CUT, Evidence, EvidenceFolder, cut, within
from steadycast.workers.inquiry import Part


def case(text: str, threads: int = 0) -> Evidence:
    seen = tuple(ThreadFacts(number, "n" * 15, "S", None, None) for number in range(threads))
    process = ProcessFacts(7, "S", threads=seen)
    part = Part(text)
    return Evidence("lobby-0", WorkerKind.LOBBY, 7, None, "silent", 1.0, 0.1, part, part, Part(why="none"), process, {})


@given(st.text(max_size=50), st.integers(0, 40_000))
def test_a_case_is_bounded_and_stays_json(piece: str, times: int) -> None:
    text = within(case(piece * times))
    assert len(text) <= CASE_BYTES
    assert from_plain(Evidence, json.loads(text)).cause == "silent"


@given(st.text(max_size=300), st.integers(len(CUT) + 1, 400))
def test_what_is_cut_says_so(text: str, most: int) -> None:
    short = cut(text, most)
    assert len(short.encode()) <= most + len(CUT)
    assert short == text or short.endswith(CUT)


def test_even_facts_alone_are_bounded() -> None:
    assert len(within(case("", threads=5000))) <= CASE_BYTES


def test_what_was_only_begun_is_swept(tmp_path: Path) -> None:
    EvidenceFolder(tmp_path / "none", 3, str).sweep()
    for name in ("lobby-00000000.new", "lobby-00000001.json"):
        (tmp_path / name).write_text("{}")
    EvidenceFolder(tmp_path, 3, str).sweep()
    assert [path.name for path in tmp_path.iterdir()] == ["lobby-00000001.json"]


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://admin:hunter2@10.0.0.7/stream",
        "RTSPS://admin:hunter2@[::1]:322/x",
        "http://u:hunter2@proxy:80",
        "rtsp://cam/x?user=admin&password=hunter2&channel=1",
    ],
)
def test_addresses_in_any_text_are_masked(address: str) -> None:
    text = f'line one; keep = this\n"{address}" failed; and {address}\nlast = line'
    masked = masked_text(text)
    assert "hunter2" not in masked and "***" in masked
    assert "line one; keep = this\n" in masked and masked.endswith("\nlast = line")


@given(st.text(alphabet="ab:/@?=&; \n\"'.", max_size=80))
def test_masking_any_text_is_harmless(text: str) -> None:
    assert masked_text(text).count("\n") == text.count("\n")
