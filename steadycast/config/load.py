"""Reads the settings: a TOML file, then the environment, then the command line; later ones win, key by key.

Errors are one clear line: which key, what was wrong, what is allowed. No value is repeated that may be a secret.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from steadycast.config.settings import Settings
from steadycast.config.toml_file import read_toml
from steadycast.errors import ConfigError

PREFIX = "STEADYCAST_"
CONFIG = "STEADYCAST_CONFIG"  # path of the file, where the command line names none
# Read by the commands that talk to a host, by workers and by the set-up of `./serve`; no settings.
_OTHERS = (
    CONFIG, "STEADYCAST_URL", "STEADYCAST_TOKEN", "STEADYCAST_CHILD", "STEADYCAST_WORKER", "STEADYCAST_VENV",
)  # fmt: skip
# Parts of x11-apps and x11-xserver-utils on one dark ground: a clock, and a solid that turns.
DEMO = """
xsetroot -solid '#16222e' -cursor_name left_ptr
xclock -norender -update 1 -padding 18 -bw 0 -bg '#16222e' -fg '#9fb4c7' -hd '#f2a33c' -hl '#f2a33c' \\
    -geometry 300x300+60+60 &
exec ico -faces -sleep 0.03 -size 340x340 -geometry 800x640+420+40 -bg '#16222e' -colors '#f2a33c'
"""
DEFAULTS: dict[str, Any] = {
    "sources": {"applications": {"demo": ["sh", "-c", DEMO]}},
    "lobbies": [
        {"key": "test", "name": "Test picture", "source": {"kind": "test"}},
        {"key": "desktop", "name": "Desktop", "source": {"kind": "desktop", "application": "demo"}},
    ],
}


def load(path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings of this host; without a file, those of a first look: a test picture and a desktop.

    `overrides` has the form of the file; values that are None do not count. Raises ConfigError.
    """
    if path is None and environment.get(CONFIG):
        path = Path(environment[CONFIG])
    values = DEFAULTS if path is None else read_toml(path, "config.unreadable")
    sources = [(str(path) if path else "the defaults", values)]
    sources.append(("the environment", from_environment(environment)))
    sources.append(("the command line", _without_none(overrides or {})))
    merged: dict[str, Any] = {}
    for _, table in sources:
        merged = _merge(merged, table)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigError("config.invalid", _line(error, sources)) from None
    _check_lobbies(settings)
    _check_ports(settings)
    return settings


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """`STEADYCAST_WEBRTC__PUBLIC_ADDRESS=...` as `{"webrtc": {"public_address": ...}}`.

    Texts stay as they are, other values are JSON (`[50000, 50010]`, `true`). Raises ConfigError for an unknown key.
    """
    table: dict[str, Any] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in _OTHERS:
            continue
        keys = name.removeprefix(PREFIX).lower().split("__")
        at = table
        for key in keys[:-1]:
            at = at.setdefault(key, {})
            if not isinstance(at, dict):
                raise ConfigError("config.invalid", f"{name}: {'.'.join(keys[:-1])} is set as a whole already.")
        at[keys[-1]] = _value(environment[name], _field(keys))
    return table


def _check_lobbies(settings: Settings) -> None:
    keys = [lobby.key for lobby in settings.lobbies]
    for number, key in enumerate(keys):
        if key is not None and key in keys[:number]:
            raise ConfigError("config.invalid", f"lobbies.{number}.key: {key!r} is there twice; keys must differ.")
    if len(keys) > settings.limits.lobbies:
        what = f"lobbies: there are {len(keys)}; allowed are {settings.limits.lobbies} (limits.lobbies)."
        raise ConfigError("config.invalid", what)


def _check_ports(settings: Settings) -> None:
    first, last = settings.webrtc.udp_ports
    if first and last - first + 1 < settings.egress.workers:
        what = f"webrtc.udp_ports: {last - first + 1} for {settings.egress.workers} egress workers (egress.workers)"
        raise ConfigError("config.invalid", f"{what}; each needs one.")


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`: tables key by key, everything else (lists too) as a whole."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }


def _value(text: str, field: FieldInfo | None) -> Any:
    """A text where the setting is one, else JSON; what is no JSON stays a text and is judged by the setting."""
    if field is None or _is_text(field.annotation):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_text(annotation: Any) -> bool:
    options = [option for option in (get_args(annotation) or (annotation,)) if option is not type(None)]
    return all(isinstance(option, str) or option in (str, Path, SecretStr) for option in options)


def _field(keys: list[str]) -> FieldInfo | None:
    table: type[BaseModel] = Settings
    for key in keys[:-1]:
        inner = table.model_fields.get(key)
        if inner is None or not isinstance(inner.annotation, type) or not issubclass(inner.annotation, BaseModel):
            return None
        table = inner.annotation
    return table.model_fields.get(keys[-1])


# --- errors in words


def _line(error: ValidationError, sources: list[tuple[str, dict[str, Any]]]) -> str:
    first = error.errors(include_url=False)[0]
    place = _place(first["loc"])
    key = ".".join(place)
    came_from = next((name for name, table in reversed(sources) if _has(table, place)), sources[0][0])
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{came_from}: {key}: {_what(first, place)}{more}"


def _what(problem: Any, place: tuple[str, ...]) -> str:
    kind = problem["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        known = _keys_at(place[:-1])
        near = difflib.get_close_matches(place[-1], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(sorted(known))}." if known else ""
        return f"there is no such key; {hint}".rstrip("; ")
    if kind == "missing":
        return "it is missing."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        missing = "missing; allowed is one of" if kind == "union_tag_not_found" else "not one of"
        return f"'kind' is {missing} {', '.join(map(repr, _KINDS))}."
    if kind in _FORMS:
        return f"must be {_FORMS[kind]}."
    text = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input ").replace("should", "must", 1)
    return text[:1].lower() + text[1:] + "."


def _place(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """The place without the tags of unions that pydantic puts in (`source.desktop.width`)."""
    words = [str(part) for part in loc]
    return tuple(w for i, w in enumerate(words) if not (i and words[i - 1] == "source" and w in _KINDS))


_KINDS = ("test", "desktop", "rtsp", "file")
_FORMS = {
    "tuple_type": "a list, like [ ... ]",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dataclass_type": "a table, like { kind = ... }",
    "string_type": "a text in quotes",
}


def _has(table: Any, place: tuple[str, ...]) -> bool:
    for part in place:
        if isinstance(table, Mapping) and part in table:
            table = table[part]
        elif isinstance(table, list) and part.isdigit() and int(part) < len(table):
            table = table[int(part)]
        else:
            return False
    return True


def _keys_at(place: tuple[str, ...]) -> list[str]:
    """The keys that a table of the settings knows; found in their JSON schema. Empty where that cannot be told."""
    schema = Settings.model_json_schema()
    nodes = [schema]
    for part in place:
        nodes = [inner for node in nodes for inner in _inner(schema, node, part)]
    return sorted({key for node in nodes for key in node.get("properties", {})})


def _inner(schema: dict[str, Any], node: dict[str, Any], part: str) -> list[dict[str, Any]]:
    found = node.get("items") if part.isdigit() else node.get("properties", {}).get(part)
    if found is None:
        return []
    options = found.get("anyOf") or found.get("oneOf") or [found]
    return [schema["$defs"][option["$ref"].rsplit("/", 1)[-1]] if "$ref" in option else option for option in options]
