"""A host that cannot start, for whatever reason, leaves the workers that it found."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from steadycast.config.settings import Settings
from steadycast.serve.host import Host
from steadycast.workers.adoption import Adopted, Adoption


@pytest.mark.parametrize("error", [OSError, TypeError, asyncio.CancelledError])
async def test_only_one_that_is_told_to_end_ends_them(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    host, left = Host(Settings(), {}), []

    async def start(say: Any) -> None:
        host._adoption = Adoption((cast(Adopted, None),))
        raise error

    async def leave() -> None:
        left.append(True)

    monkeypatch.setattr(host, "_start", start)
    monkeypatch.setattr(host, "leave", leave)
    with pytest.raises(error):
        await host.start(print)
    await host.stop()
    assert bool(left) is (error is not asyncio.CancelledError)
