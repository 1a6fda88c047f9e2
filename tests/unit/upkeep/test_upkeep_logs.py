"""Logs of workers are read as they grow, are cut, and go."""

from __future__ import annotations

from pathlib import Path

import pytest

from steadycast.tracking.signatures import Facts, Table, load_table
from steadycast.upkeep.logs import LOOKS, PIECE, Logs

FULL = b"0:00:01.0 1 0x1 WARN nvenc gstnvencoder.cpp:1:open: NvEncOpenEncodeSessionEx failed: out of memory (10)\n"


@pytest.fixture(scope="module")
def table() -> Table:
    return load_table()


def test_what_is_news_is_told_once_with_the_facts_of_then(tmp_path: Path, table: Table) -> None:
    facts = Facts(descriptors=1020, descriptor_limit=1024)
    logs = Logs(tmp_path, table, lambda role: facts if role == "lobby:a" else None)
    log = tmp_path / "lobby-1.log"
    assert logs.read({"lobby-1": "lobby:a"}) == []  # there is none yet
    log.write_bytes(b"all is well\n")
    assert logs.read({"lobby-1": "lobby:a"}) == []
    with log.open("ab") as file:
        file.write(FULL)
    (said,) = logs.read({"lobby-1": "lobby:a"})
    assert said.role == "lobby:a"
    assert said.diagnosis.known
    assert logs.read({"lobby-1": "lobby:a"}) == []


def test_a_log_that_was_cut_is_read_from_its_beginning(tmp_path: Path, table: Table) -> None:
    logs = Logs(tmp_path, table, lambda role: None)
    log = tmp_path / "egress-1.log"
    log.write_bytes(b"x" * 5000 + b"\n")
    assert logs.read({"egress-1": "egress:0"}) == []
    log.write_bytes(FULL)
    assert len(logs.read({"egress-1": "egress:0"})) == 1


def test_a_flood_is_left_out_and_counted(tmp_path: Path, table: Table) -> None:
    logs = Logs(tmp_path, table, lambda role: None)
    (tmp_path / "lobby-1.log").write_bytes(b"nothing to see\n" * (PIECE * LOOKS) + FULL)
    assert len(logs.read({"lobby-1": "lobby:a"})) == 1
    assert logs.left_out > 0


def test_a_worker_that_is_gone_is_forgotten(tmp_path: Path, table: Table) -> None:
    logs = Logs(tmp_path, table, lambda role: None)
    (tmp_path / "lobby-1.log").write_bytes(FULL)
    assert len(logs.read({"lobby-1": "lobby:a"})) == 1
    assert logs.read({}) == []
    assert len(logs.read({"lobby-1": "lobby:b"})) == 1


def test_what_was_said_before_is_not_said_again_by_the_next_host(tmp_path: Path, table: Table) -> None:
    log, kept = tmp_path / "lobby-1.log", tmp_path / "logs.json"
    log.write_bytes(FULL + b"all is well\nhalf a li")
    workers = {"lobby-1": "lobby:a"}
    assert len(Logs(tmp_path, table, lambda role: None, kept).read(workers)) == 1
    with log.open("ab") as file:  # while there is no host
        file.write(b"ne\n" + FULL + b"NVRM: Xid (PCI:0000:01:00): 79, pid=7, GPU has fallen off the bus.\n")
    later = Logs(tmp_path, table, lambda role: None, kept)
    assert later.read({}) == [], "it does not know its workers yet"
    later.store()
    (said,) = later.read(workers)
    assert said.diagnosis.signature == "xid.lost", "what is new is said, what was said already is not"
    assert Logs(tmp_path, table, lambda role: None, kept).read(workers) == []


def test_a_line_that_was_half_there_is_whole_for_the_next_host(tmp_path: Path, table: Table) -> None:
    log, kept = tmp_path / "lobby-1.log", tmp_path / "logs.json"
    log.write_bytes(b"all is well\n" + FULL[:60])
    first = Logs(tmp_path, table, lambda role: None, kept)
    assert first.read({"lobby-1": "lobby:a"}) == []
    first.store()
    log.write_bytes(b"all is well\n" + FULL)
    assert len(Logs(tmp_path, table, lambda role: None, kept).read({"lobby-1": "lobby:a"})) == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"lobby-1": 7}', b'{"lobby-1": {"offset": -1}}', b'{"lobby-1": {"offset": 9e99, "told": 3}}',
     b'{"lobby-1": {"offset": 0, "told": [3, ["a"], ["a", 3]]}}', b'{"lobby-1": {"offset": 999999}}'],
)  # fmt: skip
def test_a_file_of_places_that_is_none_is_none(tmp_path: Path, table: Table, data: bytes) -> None:
    (tmp_path / "logs.json").write_bytes(data)
    (tmp_path / "lobby-1.log").write_bytes(FULL)
    assert len(Logs(tmp_path, table, lambda role: None, tmp_path / "logs.json").read({"lobby-1": "lobby:a"})) == 1
