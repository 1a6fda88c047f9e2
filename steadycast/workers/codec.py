"""Frozen dataclasses to plain JSON values and back, strictly: a wrong type or an unknown field is an error.

Pure. Serves the messages and what of the model travels in them; pydantic would do, but costs each worker its import.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


class CodecError(ValueError):
    """A value does not fit the type it should become; the text names the place."""


def to_plain(value: Any) -> Any:
    """A JSON value for a dataclass (or a part of one)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    return value


def from_plain(wanted: type[T], value: Any) -> T:
    """The dataclass `wanted` from a JSON value; raises CodecError."""
    return typing.cast(T, _decode(wanted, value, wanted.__name__))


@functools.cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _decode(wanted: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(wanted)
    if wanted is Any:
        return value
    if origin is typing.Annotated:
        return _decode(typing.get_args(wanted)[0], value, where)
    if origin is typing.Literal:
        if value not in typing.get_args(wanted):
            raise CodecError(f"{where}: {value!r} is not one of {typing.get_args(wanted)}")
        return value
    if origin in (typing.Union, types.UnionType):
        return _decode_union(typing.get_args(wanted), value, where)
    if origin is tuple:
        return _decode_tuple(typing.get_args(wanted), value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise CodecError(f"{where}: expected an object, got {type(value).__name__}")
        inner = typing.get_args(wanted)[1]
        return {str(key): _decode(inner, item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(wanted):
        return _decode_dataclass(typing.cast(type[Any], wanted), value, where)
    return _decode_scalar(wanted, value, where)


def _decode_scalar(wanted: Any, value: Any, where: str) -> Any:
    if wanted is type(None) and value is None:
        return None
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        try:
            return wanted(value)
        except ValueError as error:
            raise CodecError(f"{where}: {error}") from None
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise CodecError(f"{where}: expected {wanted.__name__}, got {type(value).__name__}")
    return value


def _decode_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    errors = []
    for option in options:
        if option is type(None):
            continue
        try:
            return _decode(option, value, where)
        except CodecError as error:
            errors.append(str(error))
    raise CodecError("; ".join(errors))


def _decode_tuple(options: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise CodecError(f"{where}: expected a list, got {type(value).__name__}")
    if len(options) == 2 and options[1] is Ellipsis:
        return tuple(_decode(options[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(options) != len(value):
        raise CodecError(f"{where}: expected {len(options)} items, got {len(value)}")
    return tuple(
        _decode(option, item, f"{where}[{i}]") for i, (option, item) in enumerate(zip(options, value, strict=True))
    )


def _decode_dataclass(wanted: type[Any], value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise CodecError(f"{where}: expected an object, got {type(value).__name__}")
    hints = _hints(wanted)  # type: ignore[arg-type]  # a class is hashable
    names = {f.name for f in dataclasses.fields(wanted)}
    if unknown := sorted(set(value) - names):
        raise CodecError(f"{where}: unknown field {unknown[0]!r}")
    try:
        return wanted(**{name: _decode(hints[name], item, f"{where}.{name}") for name, item in value.items()})
    except TypeError as error:
        raise CodecError(f"{where}: {error}") from None
