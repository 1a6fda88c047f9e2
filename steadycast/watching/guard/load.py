"""Reads a policy file. What is wrong with it is one clear line: which key, what was wrong, what is allowed."""

from __future__ import annotations

import difflib
import json
import re
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from steadycast.config.tokens import read_hash
from steadycast.config.toml_file import read_toml
from steadycast.errors import ConfigError
from steadycast.tracking.signatures.schema import load_table
from steadycast.watching.guard.policy import Policy

_KINDS = ("command", "http", "rtsp")
_FORMS = {
    "tuple_type": "a list, like [ ... ]",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "string_type": "a text in quotes",
    "path_type": "a path in quotes",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
}
_TEXTS = {
    "begin": 'a time of day, like "03:30"',
    "end": 'a time of day, like "05:00"',
    "name": "up to 64 letters, digits, dots, dashes and underscores",
    "unit": 'the name of a unit, like "wolf.service"',
    "program": "the name of a program, without a folder",
}


def load_policy(path: Path) -> Policy:
    """Raises ConfigError. Without a `name`, the file's own is taken."""
    values = read_toml(path, "policy.unreadable")
    stem = re.sub(r"[^A-Za-z0-9_.-]", "-", path.stem).lstrip("_.-")[:64]
    values.setdefault("name", stem or "server")
    try:
        # As JSON: strictly typed there, but a list is a tuple and a text a path.
        policy = Policy.model_validate_json(json.dumps(values, default=str), strict=True)
        if policy.api.token_hash is not None:
            read_hash(policy.api.token_hash)
    except ValidationError as error:
        raise ConfigError("policy.invalid", f"{path}: {_line(error)}", hint="docs/guard.md lists the keys.") from None
    except ValueError as error:
        raise ConfigError("policy.invalid", f"{path}: api.token_hash: {error}.") from None
    if policy.known is not None:
        _check_known(path, policy.known.ignore)
    return policy


def _check_known(path: Path, ignored: tuple[str, ...]) -> None:
    known = load_table().signatures
    for one in ignored:
        if one not in known:
            near = difflib.get_close_matches(one, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`steadycast diagnose` names those it finds."
            raise ConfigError("policy.invalid", f"{path}: known.ignore: there is no signature {one!r}; {hint}")


def _line(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    first = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])  # a typo explains the rest
    place = _place(first["loc"])
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    what = _what(first, place)
    return f"{'.'.join(place)}: {what}{more}" if place else f"{what}{more}"


def _place(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """Without the kinds of health probes that pydantic puts in (`health.0.rtsp.url`)."""
    words = [str(part) for part in loc]
    return tuple(w for i, w in enumerate(words) if not (i == 2 and words[0] == "health" and w in _KINDS))


def _what(problem: Any, place: tuple[str, ...]) -> str:
    kind = problem["type"]
    if kind == "extra_forbidden":
        known = _keys_at(problem["loc"][:-1])
        near = difflib.get_close_matches(place[-1], known, n=1)
        return f"there is no such key; {f'did you mean {near[0]!r}?' if near else 'allowed: ' + ', '.join(known) + '.'}"
    if kind == "missing":
        return "it is missing."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f"'kind' must be one of {', '.join(map(repr, _KINDS))}."
    if kind == "string_pattern_mismatch" and place[-1] in _TEXTS:
        return f"must be {_TEXTS[place[-1]]}."
    if kind in _FORMS:
        return f"must be {_FORMS[kind]}."
    text = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input ").replace("should", "must", 1)
    return text[:1].lower() + text[1:].rstrip(".") + "."


def _keys_at(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at a place knows."""
    table: type[BaseModel] = Policy
    options: list[type[BaseModel]] = []
    for part in loc:
        if isinstance(part, int):
            continue
        tagged = [one for one in options if one.__name__.lower().startswith(part)]
        if len(options) > 1 and tagged:
            table, options = tagged[0], []
        elif (field := table.model_fields.get(part)) is not None:
            options = list(_models(field.annotation))
            table = options[0] if options else table
    return sorted(table.model_fields)


def _models(annotation: Any) -> typing.Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for part in typing.get_args(annotation):
        yield from _models(part)
