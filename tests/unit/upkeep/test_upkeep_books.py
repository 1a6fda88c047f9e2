"""What is learned of lobbies goes with them; what was measured stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from steadycast.config.settings import FindingSettings, TrackingSettings
from steadycast.model import Bound, FindingChange, Look, Measured, Owner, Resource
from steadycast.tracking.probes.sampler import Sample, Sampled
from steadycast.upkeep.books import Books
from steadycast.upkeep.owners import is_of_lobby, lobby_of

SOCKETS = Measured(Resource.DESCRIPTORS, "socket")
BOUNDS = (Bound("RLIMIT_NOFILE", Measured(Resource.DESCRIPTORS), 1000.0, 9.0),)
START = 1_790_000_000.0


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(TrackingSettings(), FindingSettings(), tmp_path, tmp_path, tmp_path / "history.db")


def look(books: Books, role: str, at: float, sockets: float, ended: int) -> list[FindingChange]:
    values = {SOCKETS: sockets, Measured(Resource.PRIVATE): 1e7}
    seen = Look(Owner(role, "7:1", 7), START + at, at, values, finished={"viewer": ended}, quiet=True)
    events, _ = books.take(Sampled((Sample(seen, BOUNDS),), {}, (), (), 0.0), {})
    return [event.change for event in events]


def test_a_lobby_that_was_deleted_is_forgotten_with_all_below_it(books: Books) -> None:
    for number in range(5):
        for role in (f"display:{number}", f"display:{number}/Xvfb", f"display:{number}#2"):
            look(books, role, number * 60.0, 5.0, 0)
        look(books, "egress:0", number * 60.0, 5.0, 0)
        books.forget(f"display:{number}")
    assert books.statistics().lives == 1
    assert books.statistics().limits <= 1
    assert {known.role for known in books.history.series()} >= {"display:0", "display:4/Xvfb", "egress:0"}


def test_a_finding_of_a_deleted_lobby_is_over(books: Books) -> None:
    seen = [change for n in range(12) for change in look(books, "lobby:a", n * 60.0, 10.0 + 6 * n, n)]
    assert seen[:2] == [FindingChange.OPENED, FindingChange.CONFIRMED]
    assert [event.change for event in books.forget("lobby:a")] == [FindingChange.HEALED]
    assert books.statistics().open == 0


def test_what_was_learned_outlives_the_process(books: Books, tmp_path: Path) -> None:
    for n in range(5):
        look(books, "lobby:a", n * 60.0, 10.0 + 6 * n, n)
    books.write(dict, at_once=True)
    books.history.close()
    later = Books(TrackingSettings(), FindingSettings(), tmp_path, tmp_path, tmp_path / "history.db")
    changes = [change for n in range(5, 12) for change in look(later, "lobby:a", n * 60.0, 10.0 + 6 * n, n)]
    assert FindingChange.CONFIRMED in changes
    assert FindingChange.OPENED not in changes


@pytest.mark.parametrize("text", ["", "{", "[]", '{"detection": 3}', '{"detection": {"version": 1, "now": "soon"}}'])
def test_whatever_is_in_the_file_of_what_was_learned_it_starts(tmp_path: Path, text: str) -> None:
    (tmp_path / "detection.json").write_text(text)
    books = Books(TrackingSettings(), FindingSettings(), tmp_path, tmp_path, tmp_path / "history.db")
    assert look(books, "lobby:a", 1.0, 1.0, 0) == []


def test_roles_know_their_lobby() -> None:
    assert [is_of_lobby(role) for role in ("lobby:a", "display:a/Xvfb", "egress:0", "control plane")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert [lobby_of(role) for role in ("lobby:a", "display:a/Xvfb", "display:a#2")] == ["a", "a", "a"]


def test_what_receipts_showed_before_is_evidence_of_what_is_found_then(books: Books) -> None:
    for n in range(12):
        look(books, "lobby:a", n * 60.0, 10.0 + n, n)
        if n == 2:
            books.stayed("lobby:a", ("1 socket, of viewer v2",))
    (found,) = books.findings()
    assert any("1 socket, of viewer v2" in line for one in found.sources for line in one.evidence)
