"""What a person knows about the process at the time of an incident: `steadycast diagnose --fact NAME=VALUE`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from steadycast.errors import ConfigError
from steadycast.tracking.signatures import Facts

_PAIRS = {  # name: the fields that its two numbers fill
    "descriptors": ("descriptors", "descriptor_limit"),
    "sessions": ("sessions", "session_cap"),
    "vram": ("vram_free", "vram_total"),
    "bar1": ("bar1_free", "bar1_total"),
    "memory": ("memory_free", "memory_total"),
}
_COUNTS = ("descriptors", "sessions")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s?([kmgt]?)(?:i?b)?", re.I | re.ASCII)
_HINT = (
    "One of: descriptors=1020/1024, sessions=8/8, vram=200MiB/8GiB, bar1=4M/256M, memory=90M/16G (free/all), new=yes."
)


def given(words: Sequence[str]) -> Facts:
    """Raises ConfigError where a word is none of them."""
    fields: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name == "new" and value in ("yes", "no"):
            fields["fresh"] = value == "yes"
            continue
        first, slash, second = value.partition("/")
        if name not in _PAIRS or not slash:
            raise _unclear(word)
        numbers = [_number(part.strip(), is_count=name in _COUNTS) for part in (first, second)]
        if None in numbers:
            raise _unclear(word)
        fields.update(zip(_PAIRS[name], numbers, strict=True))
        if name == "sessions":
            fields["cap_source"] = "as you said"
    return Facts(**fields)


def merged(said: Facts, read: Facts) -> Facts:
    """What a person says stands above what was read of the process."""
    known = {one.name: value for one in dataclasses.fields(said) if (value := getattr(said, one.name)) is not None}
    return dataclasses.replace(read, **known)


def _number(text: str, *, is_count: bool) -> int | None:
    if is_count:
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
    found = _SIZE.fullmatch(text)
    return round(float(found[1]) * 1024 ** _POWERS[found[2].lower()]) if found else None


def _unclear(word: str) -> ConfigError:
    return ConfigError("diagnose.fact", f"--fact {word} is not understood.", hint=_HINT)
