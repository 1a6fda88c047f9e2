"""What pydantic did not like about a body, for a person: the field, what was wrong, what is allowed, the nearest key.

Pure. Values that were sent are never repeated: they may hold credentials.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST = 20  # problems told of one request
_LONGEST = 300  # characters
_FORMS = {"tuple_type": "a list", "string_type": "a text"} | dict.fromkeys(
    ("dict_type", "model_type", "model_attributes_type", "dataclass_type"), "an object"
)
_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong: where (`source.width`), what, and what is allowed or the key that was probably meant."""

    field: str
    problem: str
    allowed: str | None = None
    nearest: str | None = None
    unknown: bool = False

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {"field": self.field, "message": self.problem, "allowed": self.allowed, "nearest": self.nearest}

    def hint(self) -> str | None:
        """What to do about it."""
        return f"Did you mean `{self.nearest}`?" if self.nearest else None


def explain(errors: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> tuple[FieldProblem, ...]:
    """The problems behind pydantic's `errors` of a request whose body has this JSON schema."""
    return tuple(_explain(error, schema) for error in errors[:MOST])


def _explain(error: Mapping[str, Any], schema: Mapping[str, Any]) -> FieldProblem:
    place, loc = error["loc"][0], tuple(error["loc"][1:])
    node, shown = _walk(schema, loc if place == "body" else ())
    shown = shown if place == "body" else [str(part) for part in loc]
    field = ".".join(shown)[:_LONGEST] or "body"
    kind = error["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return _unknown(field, str(loc[-1]), schema, loc)
    if kind == "missing":
        return FieldProblem(field, "is missing.")
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        kinds = list((node or {}).get("discriminator", {}).get("mapping", {}))
        nearest = _nearest(str(error.get("ctx", {}).get("tag", "")), kinds)
        return FieldProblem(
            f"{field}.kind", "is none of the kinds there are.", f"Allowed: one of {', '.join(kinds)}.", nearest
        )
    if kind in _RANGE:
        return FieldProblem(field, "is out of range.", _allowed(node))
    if kind in _FORMS:
        return FieldProblem(field, f"must be {_FORMS[kind]}.", _allowed(node))
    text = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")[:_LONGEST]
    text = text.replace("should", "must", 1)
    return FieldProblem(field, text[:1].lower() + text[1:] + ".", _allowed(node))


def _unknown(field: str, key: str, schema: Mapping[str, Any], loc: tuple[Any, ...]) -> FieldProblem:
    parent, _ = _walk(schema, loc[:-1])
    keys = list((parent or {}).get("properties", {}))
    allowed = f"Allowed: {', '.join(keys)}." if keys else None
    return FieldProblem(field, "is not a known field.", allowed, _nearest(key, keys), unknown=True)


def _nearest(word: str, words: list[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word[:80], words, n=1, cutoff=0.5)), None)


def _walk(schema: Mapping[str, Any], loc: tuple[Any, ...]) -> tuple[Mapping[str, Any] | None, list[str]]:
    """The part of the schema that `loc` leads to (None: it leads nowhere), and `loc` as a caller writes it.

    Pydantic puts the tag of a union (`source.test.width`) into its places; a caller never wrote that.
    """
    node: Mapping[str, Any] | None = _resolve(schema, schema)
    shown: list[str] = []
    for part in loc:
        mapping = (node or {}).get("discriminator", {}).get("mapping", {})
        if part in mapping:
            node = _resolve(schema, {"$ref": mapping[part]})
            continue
        shown.append(str(part))
        node = _child(schema, node, part)
    return node, shown


def _child(schema: Mapping[str, Any], node: Mapping[str, Any] | None, part: Any) -> Mapping[str, Any] | None:
    if node is None:
        return None
    inner = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
    return None if inner is None else _resolve(schema, inner)


def _resolve(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references, and see through `X or null`."""
    for _ in range(8):
        if "$ref" in node:
            node = schema.get("$defs", {}).get(str(node["$ref"]).rsplit("/", 1)[-1], {})
        elif "anyOf" in node:
            node = next((option for option in node["anyOf"] if option.get("type") != "null"), {})
        else:
            break
    return node


def _allowed(node: Mapping[str, Any] | None) -> str | None:
    node = node or {}
    if "enum" in node:
        return f"Allowed: one of {', '.join(map(str, node['enum']))}."
    if "minimum" in node and "maximum" in node:
        return f"Allowed: {node['minimum']} to {node['maximum']}."
    if "pattern" in node:
        return f"Text like {node['pattern']}, {node.get('minLength', 0)} to {node.get('maxLength', 'many')} characters."
    if "maxLength" in node:
        return f"Text of {node.get('minLength', 0)} to {node['maxLength']} characters."
    if "maxItems" in node:
        return f"At most {node['maxItems']}."
    return {"integer": "A whole number.", "boolean": "true or false.", "string": "Text."}.get(str(node.get("type")))
