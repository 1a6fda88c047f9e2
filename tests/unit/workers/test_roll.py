"""Whoever hangs is not waited for much longer than those that answer."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.workers import roll
from steadycast.workers.roll import LEAST_S, Roll, patience_s

SECONDS = st.floats(0, 1000)


@given(st.none() | SECONDS, SECONDS)
def test_it_is_bounded_and_nobody_who_is_as_fast_as_others_is_cut_off(slowest: float | None, longest: float) -> None:
    seconds = patience_s(slowest, longest)
    assert seconds <= longest
    assert slowest is None or seconds >= min(longest, slowest, LEAST_S)
    assert patience_s(None, longest) == longest


async def test_a_silent_one_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll, "LEAST_S", 0.05)
    calling = Roll(600)

    async def answers() -> str:
        async with calling.calling():
            await asyncio.sleep(0)
        calling.answered()
        return "here"

    async def is_silent() -> str:
        try:
            async with calling.calling():
                await asyncio.sleep(600)
        except TimeoutError:
            with pytest.raises(TimeoutError):
                async with calling.calling():
                    await asyncio.sleep(600)
        return "silent"

    calls = [asyncio.create_task(answers()), asyncio.create_task(is_silent())]
    async with asyncio.timeout(60):
        await calling.until_over(calls)
    assert [call.result() for call in calls] == ["here", "silent"]
