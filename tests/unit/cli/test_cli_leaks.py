"""`steadycast findings` and `steadycast history` against the API over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steadycast.cli.commands import app
from steadycast.model import FindingState
from tests.support.memory_upkeep import MemoryUpkeep, a_finding
from tests.support.page_server import PageServer


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    upkeep = MemoryUpkeep()
    server = PageServer(upkeep=upkeep)
    over = a_finding("l1", FindingState.HEALED, id="6b0e44b3-0", headline="It [bold]grew", closed=1e9)
    upkeep.found = {over.id: over, "6b0e44b3-1": a_finding("l1")}
    upkeep.measure("l1")
    yield server
    server.close()
    upkeep.history.close()


def run(server: PageServer, *words: str) -> tuple[int, str]:
    group, *rest = words
    result = CliRunner().invoke(app, [group, "--url", server.at("").rstrip("/"), *rest], env={"COLUMNS": "400"})
    return result.exit_code, result.output


def test_findings_are_listed_the_confirmed_ones_first(server: PageServer) -> None:
    code, text = run(server, "findings")
    assert code == 0
    assert text.index("confirmed The lobby worker") < text.index("healed    It [bold]grew")
    assert "6b0e44b3-1, seen 15 min ago, done: recycle lobby-99422a38" in text
    code, text = run(server, "findings", "--open", "--json")
    found = json.loads(text[text.index("[\n") :])  # the host, in this process too, logs before it
    assert (code, [one["id"] for one in found]) == (0, ["6b0e44b3-1"])


def test_a_finding_is_shown_with_its_evidence(server: PageServer) -> None:
    code, text = run(server, "findings", "show", "6b0e44b3-1")
    assert code == 0
    for words in (
        "how fast  14.0 each rendition (13.0 to 15.0, 95% sure)", "168 an hour (154 to 182, ",
        "grown     28 of the 76 that it holds",
        "RLIMIT_NOFILE: 83 of 20,000 used", "they are not closed (57%)", "evidence  a new high 2 times",
        "probe     it is lost: nothing was given back when asked", "its effect is not known yet",
    ):  # fmt: skip
        assert words in text
    assert run(server, "findings", "show", "none")[0] == 1


def test_silence_says_what_is_watched() -> None:
    server = PageServer(upkeep=MemoryUpkeep())
    try:
        assert "No leak is open. Watched: 9 processes, 180 series." in run(server, "findings", "--open")[1]
    finally:
        server.close()


def test_what_was_measured_is_listed_and_exported(server: PageServer, tmp_path: Path) -> None:
    code, text = run(server, "history", "--resource", "threads")
    assert (code, "lobby:l1  50 min" in text, "descriptors" in text) == (0, True, False)
    file = tmp_path / "held.csv"
    code, text = run(server, "history", "export", "--role", "lobby:l1", "--since", "2h", "-o", str(file))
    table = file.read_text().splitlines()
    assert (code, len(table)) == (0, 1 + 3 * 50)
    assert table[0].startswith("time,role,resource")
    assert [path.name for path in tmp_path.iterdir()] == ["held.csv"]


def test_an_export_that_fails_leaves_no_file(server: PageServer, tmp_path: Path) -> None:
    file = tmp_path / "held.csv"
    code, text = run(server, "history", "export", "--since", "never", "-o", str(file))
    assert (code, "Write 90s, 15m, 2h or 3d." in text) == (2, True)
    code, text = run(server, "history", "export", "-o", str(tmp_path / "none" / "held.csv"))
    assert (code, "cannot be written" in text) == (2, True)
    assert not list(tmp_path.iterdir())
