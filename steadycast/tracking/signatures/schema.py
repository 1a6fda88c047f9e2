"""The table is read from TOML files: the ones beside the code, and anybody's own. An unknown key, a bad pattern or an
example that its own pattern does not match is one clear error."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from steadycast.errors import ConfigError
from steadycast.model.findings import Remedy
from steadycast.tracking.signatures.patterns import PatternError, compiled, literals
from steadycast.tracking.signatures.table import ROOT_FIRST, ROOT_USUAL, Cause, Signature, Table, Told

FILE_BYTES = 4 << 20
SIGNATURES = 2000
CAUSE_SETS = "causes.toml"
_NEEDED = {"id", "name", "patterns", "examples", "meaning", "cause", "remedy", "do", "source"}
_ALLOWED = _NEEDED | {"mistaken_for", "sure", "root", "causes", "beats", "normal"}
_CAUSE_NEEDED = {"id", "what", "prior", "remedy", "do"}
_CAUSE_ALLOWED = _CAUSE_NEEDED | {"told", "lines", "hints", "ask"}
_T = TypeVar("_T")
Sets = Mapping[str, tuple[Cause, ...]]


def load_table(own: Iterable[Path] = ()) -> Table:
    """The signatures that are known, and those of anybody's own files: one with the id of a known one replaces it.

    Raises ConfigError that names the file, the signature and what is wrong with it.
    """
    found, sets = _shipped()
    signatures = dict(found)
    for path in own:
        signatures |= _file(str(path), _read(path), sets)
    if len(signatures) > SIGNATURES:
        raise _wrong("own files", None, f"there are more than {SIGNATURES} signatures in all")
    return Table(signatures)


@cache
def _shipped() -> tuple[Mapping[str, Signature], Sets]:
    folder = resources.files(__package__) / "data"
    sets = _sets(CAUSE_SETS, tomllib.loads((folder / CAUSE_SETS).read_text("utf-8"))["causes"])
    signatures: dict[str, Signature] = {}
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.name.endswith(".toml") and entry.name != CAUSE_SETS:
            more = _file(entry.name, tomllib.loads(entry.read_text("utf-8")), sets)
            if twice := signatures.keys() & more.keys():
                raise _wrong(entry.name, min(twice), "another file has this id")
            signatures |= more
    return signatures, sets


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > FILE_BYTES:
            raise _wrong(str(path), None, f"it is larger than {FILE_BYTES >> 20} MiB")
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # of TOML, of UTF-8
        raise _wrong(str(path), None, str(error)) from None


def _file(name: str, data: Mapping[str, Any], shared: Sets) -> dict[str, Signature]:
    """One file: `system`, its own sets of causes, its signatures."""
    if unknown := data.keys() - {"system", "causes", "signature"}:
        raise _wrong(name, None, f"unknown key {min(unknown)}: a file has system, [[signature]] and [causes]")
    system = _typed(name, None, data, "system", str)
    sets = {**shared, **_sets(name, data.get("causes", {}))}
    rows = data.get("signature", [])
    if not isinstance(rows, list) or not rows:
        raise _wrong(name, None, "it has no [[signature]]")
    signatures: dict[str, Signature] = {}
    for row in rows:
        one = _signature(name, system, row, sets)
        if one.id in signatures:
            raise _wrong(name, one.id, "it is there twice")
        signatures[one.id] = one
    return signatures


def _signature(name: str, system: str, row: Any, sets: Sets) -> Signature:
    whose = row.get("id") if isinstance(row, dict) else None
    _keys(name, whose, row, _NEEDED, _ALLOWED)
    texts = {key: _typed(name, whose, row, key, str) for key in ("id", "name", "meaning", "cause", "do", "source")}
    wanted = row.get("causes")
    if wanted is not None and wanted not in sets:
        raise _wrong(name, whose, f"causes: no set {wanted!r}; there are {', '.join(sorted(sets))}")
    patterns: list[re.Pattern[str]] = []
    needed: list[tuple[str, ...]] = []
    for text in _strings(name, whose, row, "patterns"):
        try:
            patterns.append(compiled(text))
            needed.append(literals(text))
        except PatternError as error:
            raise _wrong(name, whose, f"pattern {text!r} {error}") from None
    made = Signature(
        **texts,
        system=system,
        patterns=tuple(patterns),
        literals=tuple(needed),
        examples=_strings(name, whose, row, "examples"),
        remedy=_remedy(name, whose, row),
        mistaken_for=None if "mistaken_for" not in row else _typed(name, whose, row, "mistaken_for", str),
        sure=_share(name, whose, row, "sure", 0.9),
        root=_root(name, whose, row),
        causes=() if wanted is None else sets[wanted],
        beats=_strings(name, whose, row, "beats") if "beats" in row else (),
        normal=_typed(name, whose, row, "normal", bool) if "normal" in row else False,
    )
    for example in made.examples:
        if not any(pattern.search(example) for pattern in made.patterns):
            raise _wrong(name, whose, f"its own patterns do not match its example {example!r}")
    return made


def _sets(name: str, data: Any) -> dict[str, tuple[Cause, ...]]:
    """Sets of causes by name."""
    if not isinstance(data, dict):
        raise _wrong(name, None, "causes must be tables: [[causes.NAME]]")
    return {key: tuple(_cause(name, key, row) for row in _rows(name, key, rows)) for key, rows in data.items()}


def _rows(name: str, key: str, rows: Any) -> list[Any]:
    if not isinstance(rows, list) or not rows:
        raise _wrong(name, key, "causes must be a list of tables: [[causes.NAME]]")
    return rows


def _cause(name: str, whose: str, row: Any) -> Cause:
    _keys(name, whose, row, _CAUSE_NEEDED, _CAUSE_ALLOWED)
    told = row.get("told")
    if told is not None and told not in list(Told):
        raise _wrong(name, whose, f"told: {told!r} is none of {', '.join(Told)}")
    return Cause(
        id=_typed(name, whose, row, "id", str),
        what=_typed(name, whose, row, "what", str),
        prior=_share(name, whose, row, "prior", 0.5),
        remedy=_remedy(name, whose, row),
        do=_typed(name, whose, row, "do", str),
        told=None if told is None else Told(told),
        lines=_strings(name, whose, row, "lines") if "lines" in row else (),
        hints=_strings(name, whose, row, "hints") if "hints" in row else (),
        ask=_typed(name, whose, row, "ask", str) if "ask" in row else None,
    )


def _keys(name: str, whose: str | None, row: Any, needed: set[str], allowed: set[str]) -> None:
    if not isinstance(row, dict):
        raise _wrong(name, whose, "it must be a table")
    if unknown := row.keys() - allowed:
        raise _wrong(name, whose, f"unknown key {min(unknown)}: it may have {', '.join(sorted(allowed))}")
    if missing := needed - row.keys():
        raise _wrong(name, whose, f"{min(missing)} is missing")


def _typed(name: str, whose: str | None, row: Mapping[str, Any], key: str, kind: type[_T]) -> _T:
    value = row.get(key)
    if not isinstance(value, kind) or value == "":
        raise _wrong(name, whose, f"{key} must be a {'text' if kind is str else kind.__name__}")
    return value


def _strings(name: str, whose: str | None, row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = row[key]
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise _wrong(name, whose, f"{key} must be a list of texts")
    return tuple(value)


def _share(name: str, whose: str | None, row: Mapping[str, Any], key: str, usual: float) -> float:
    value = row.get(key, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise _wrong(name, whose, f"{key} must be a number over 0 and at most 1")
    return float(value)


def _root(name: str, whose: str | None, row: Mapping[str, Any]) -> int:
    value = row.get("root", ROOT_USUAL)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= ROOT_FIRST:
        raise _wrong(name, whose, f"root must be a whole number from 0 to {ROOT_FIRST}")
    return value


def _remedy(name: str, whose: str | None, row: Mapping[str, Any]) -> Remedy:
    try:
        return Remedy(row["remedy"])
    except ValueError:
        raise _wrong(name, whose, f"remedy must be one of {', '.join(Remedy)}") from None


def _wrong(name: str, whose: str | None, why: str) -> ConfigError:
    what = f"{name}: signature {whose}" if whose else name
    return ConfigError(
        "signatures.bad", f"{what}: {why}", hint="docs/diagnose.md describes a file of signatures and its patterns."
    )
