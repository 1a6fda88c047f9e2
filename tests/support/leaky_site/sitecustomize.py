"""On the PYTHONPATH of a host, its lobby workers lose descriptors: so many as LEAKS says, each time that a rendition of
the picture is closed, as a program does that forgets an encoder's context."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

WHERE = "steadycast.pipelines.lobby"
LEAKS = int(os.environ.get("LEAKS", "0"))


class Leaking(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the module as it is, then has it leak."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != WHERE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        assert spec is not None
        self._loader: Any = spec.loader
        spec.loader = self
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        close = module.LobbyPipeline.close_rendition

        async def leaky(pipeline: Any, instance: str) -> Any:
            for _ in range(LEAKS if instance.startswith("main") else 0):
                os.eventfd(0)
            return await close(pipeline, instance)

        module.LobbyPipeline.close_rendition = leaky


if LEAKS:
    sys.meta_path.insert(0, Leaking())
