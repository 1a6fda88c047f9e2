"""House rules that a machine can check: sizes, names, broad excepts, sleeping tests, a paragraph for each room."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "steadycast"
FILE_LINES = 300
FUNCTION_LINES = 40
ROLE_NAMES = re.compile(r"(Manager|Helper|Handler|Service|Util|Utils)$")
SOURCES = sorted(PACKAGE.rglob("*.py"))
# Children whose part in a test is to hang do sleep.
TESTS = sorted(path for path in (ROOT / "tests").rglob("*.py") if not path.name.endswith("_child.py"))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from `def` on, its docstring left out."""
    first, lines = function.body[0], (function.end_lineno or 0) - function.lineno + 1
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_file_is_small_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= FILE_LINES, f"{name_of(path)} is longer than {FILE_LINES} lines: split it by thing"
    assert ast.get_docstring(tree_of(path)), f"{name_of(path)} does not say what it is for"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_functions_are_small(path: Path) -> None:
    long = [f"{f.name}: {code_lines(f)}" for f in functions(tree_of(path)) if code_lines(f) > FUNCTION_LINES]
    assert not long, f"over {FUNCTION_LINES} lines in {name_of(path)}: {long}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_classes_are_named_for_things(path: Path) -> None:
    classes = [node.name for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef)]
    assert not [name for name in classes if ROLE_NAMES.search(name)]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_error_is_swallowed(path: Path) -> None:
    silent = []
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        broad = node.type is None or (
            isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
        )
        if broad and all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body):
            silent.append(node.lineno)
    assert not silent, f"{name_of(path)} swallows every error at lines {silent}"


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_tests_wait_for_states_not_for_time(path: Path) -> None:
    sleeps = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep"
    ]
    assert not sleeps, f"{name_of(path)} sleeps at lines {sleeps}"


def test_architecture_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert rooms
    assert not [room for room in rooms if f"`{room}`" not in text]


def test_nothing_is_left_undone() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX)\b|NotImplementedError")
    found = [
        f"{name_of(p)}:{i}"
        for p in SOURCES
        for i, line in enumerate(p.read_text().splitlines(), 1)
        if words.search(line)
    ]
    assert not found
