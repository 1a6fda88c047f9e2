"""Elements of other versions of GStreamer as they were recorded (`vendors/recorded`). Pure but for reading its file."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

from steadycast.errors import ConfigError
from steadycast.pipelines.fit import ElementDescription, PropertyDescription, SinkDescription

_FOLDER = "steadycast.vendors"
# The elements of a second device have its name in theirs, and are the same otherwise.
_NODE = re.compile(r"device\d+|renderD\d+")


def versions() -> tuple[str, ...]:
    """Those that were recorded, the oldest first: `1.22`, ..."""
    names = (entry.name for entry in (resources.files(_FOLDER) / "recorded").iterdir())
    found = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    return tuple(sorted(found, key=lambda version: tuple(map(int, version.split(".")))))


class RecordedElements:
    """All elements of one version that were recorded. `version` is `1.26` or any release of it (`1.26.3`). Raises
    ConfigError."""

    def __init__(self, version: str) -> None:
        series = ".".join(version.split(".")[:2])
        if series not in versions():
            raise ConfigError(
                "gstreamer.not_recorded",
                f"The elements of GStreamer {version} were not recorded.",
                hint=f"Recorded are {', '.join(versions())}.",
            )
        text = (resources.files(_FOLDER) / "recorded" / f"{series}.json").read_text(encoding="utf-8")
        recorded = json.loads(text)
        self.version = str(recorded["gstreamer"])
        self._elements: dict[str, dict[str, Any]] = recorded["elements"]
        self._present = frozenset(recorded["present"])

    def has(self, factory: str) -> bool:
        return factory in self._present or self._find(factory) is not None or _NODE.sub("", factory) in self._present

    def describe(self, factory: str) -> ElementDescription | None:
        found = self._find(factory)
        if found is None:
            return None
        properties = {name: _property(one) for name, one in found["properties"].items()}
        sinks = tuple(SinkDescription(sink["feature"], tuple(sink["formats"])) for sink in found["sinks"])
        return ElementDescription(factory, properties, sinks)

    def names(self) -> tuple[str, ...]:
        return (*self._elements, *self._present)

    def _find(self, factory: str) -> dict[str, Any] | None:
        return self._elements.get(factory) or self._elements.get(_NODE.sub("", factory))


def _property(one: dict[str, Any]) -> PropertyDescription:
    return PropertyDescription(
        one["kind"],
        tuple(one.get("nicks", ())),
        one.get("low"),
        one.get("high"),
        not one.get("readonly", False),
        one.get("live", False),
    )
