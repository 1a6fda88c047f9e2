"""GStreamer's registry is built by a child, and its absence is told in words for the operator."""

from __future__ import annotations

from pathlib import Path

import pytest

from steadycast.errors import ConfigError
from steadycast.workers.registry import build_registry, registry_environment
from tests.support import outside


async def test_it_is_built_and_leaves_nothing_else(tmp_path: Path) -> None:
    before = outside.look()
    await build_registry(tmp_path)
    await build_registry(tmp_path)  # up to date: quick
    assert outside.look() == before
    path = registry_environment(tmp_path)["GST_REGISTRY"]
    assert outside.names_in(tmp_path) == [path]


async def test_without_gstreamer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gi.py").write_text("raise ImportError('No module named gi')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ConfigError, match="GStreamer missing: No module named gi") as caught:
        await build_registry(tmp_path)
    assert caught.value.hint is not None
    assert "apt-get install" in caught.value.hint
