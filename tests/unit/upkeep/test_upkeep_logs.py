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
    assert list(logs.read({"lobby-1": "lobby:a"})) == []  # there is none yet
    log.write_bytes(b"all is well\n")
    assert list(logs.read({"lobby-1": "lobby:a"})) == []
    with log.open("ab") as file:
        file.write(FULL)
    (said,) = logs.read({"lobby-1": "lobby:a"})
    assert said.role == "lobby:a"
    assert said.diagnosis.known
    assert list(logs.read({"lobby-1": "lobby:a"})) == []


def test_a_log_that_was_cut_is_read_from_its_beginning(tmp_path: Path, table: Table) -> None:
    logs = Logs(tmp_path, table, lambda role: None)
    log = tmp_path / "egress-1.log"
    log.write_bytes(b"x" * 5000 + b"\n")
    assert list(logs.read({"egress-1": "egress:0"})) == []
    log.write_bytes(FULL)
    assert len(list(logs.read({"egress-1": "egress:0"}))) == 1


def test_a_flood_is_left_out_and_counted(tmp_path: Path, table: Table) -> None:
    logs = Logs(tmp_path, table, lambda role: None)
    (tmp_path / "lobby-1.log").write_bytes(b"nothing to see\n" * (PIECE * LOOKS) + FULL)
    assert len(list(logs.read({"lobby-1": "lobby:a"}))) == 1
    assert logs.left_out > 0


def test_a_worker_that_is_gone_is_forgotten(tmp_path: Path, table: Table) -> None:
    logs = Logs(tmp_path, table, lambda role: None)
    (tmp_path / "lobby-1.log").write_bytes(FULL)
    assert len(list(logs.read({"lobby-1": "lobby:a"}))) == 1
    assert list(logs.read({})) == []
    assert len(list(logs.read({"lobby-1": "lobby:b"}))) == 1
