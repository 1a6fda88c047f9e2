"""Every test that a document names as the one that holds a promise exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PROMISES = sorted(
    {(path, name) for page in (ROOT / "docs").glob("*.md") for path, name in NAMED.findall(page.read_text())}
)


def test_there_are_promises() -> None:
    assert len(PROMISES) > 30


@pytest.mark.parametrize(("path", "name"), PROMISES, ids=lambda value: value)
def test_the_test_exists(path: str, name: str) -> None:
    file = ROOT / path
    assert file.is_file()
    tests = {
        node.name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert name in tests


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]
