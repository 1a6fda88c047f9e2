"""Records as JSON and back: dataclasses, named tuples, enums, tuples and mappings by their type hints."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any


def plain(value: Any) -> Any:
    """As JSON: records are objects, mappings are lists of pairs."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if hasattr(value, "_fields"):
        return {name: plain(getattr(value, name)) for name in value._fields}
    if isinstance(value, Mapping):
        return [[plain(key), plain(one)] for key, one in value.items()]
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str):
        return [plain(one) for one in value]
    return value


def build(hint: Any, value: Any) -> Any:
    """What `plain` was given, of the type `hint`."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        inner = [one for one in parts if one is not type(None)]
        return None if value is None else build(inner[0], value)
    if origin is tuple:
        hints = [parts[0]] * len(value) if parts[-1] is Ellipsis else parts
        return tuple(build(one, item) for one, item in zip(hints, value, strict=True))
    if origin is list or (origin is not None and issubclass(origin, typing.Collection) and len(parts) == 1):
        return [build(parts[0], item) for item in value]
    if origin is not None and issubclass(origin, Mapping):
        return {build(parts[0], key): build(parts[1], item) for key, item in value}
    if isinstance(hint, type) and (is_dataclass(hint) or hasattr(hint, "_fields")):
        known = _hints(hint)
        return hint(**{name: build(known[name], item) for name, item in value.items() if name in known})
    return hint(value) if isinstance(hint, type) and issubclass(hint, Enum) else value


@cache
def _hints(record: type) -> dict[str, Any]:
    return typing.get_type_hints(record)
