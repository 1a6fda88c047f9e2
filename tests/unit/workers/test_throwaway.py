"""A child for one question: what it is told, and that nothing of it stays, also where it leaves others behind."""

from __future__ import annotations

import asyncio
import os
import sys

from steadycast.workers.throwaway import ask
from tests.support import outside

MARK = "A_THROWAWAY_CHILD=1"
ENVIRONMENT = {**os.environ, MARK.partition("=")[0]: "1"}
ECHO = "import json, sys; print(json.dumps({'ok': True, 'heard': len(sys.stdin.read())}))"
LEAVES_ONE = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import os; os.read(os.pipe()[0], 1)"])  # it keeps our output open
print('{"ok": true}')
"""


async def run(script: str, deadline_s: float = outside.GENEROUS_S, question: bytes = b"") -> dict[str, object]:
    ending = await ask((sys.executable, "-c", script), deadline_s, question, ENVIRONMENT)
    return {"told": ending.told, "why": ending.why, "code": ending.code, "hung": ending.hung}


async def all_are_gone() -> None:
    while [pid for pid in outside.marked(MARK) if not outside.has_ended(pid)]:
        await asyncio.sleep(0.05)  # pytest's own deadline ends it


async def test_it_hears_the_question() -> None:
    answer = await run(ECHO, question=b"x" * 300_000)
    assert answer == {"told": {"ok": True, "heard": 300_000}, "why": None, "code": 0, "hung": False}


async def test_one_that_does_not_listen_is_no_error_of_ours() -> None:
    answer = await run("import os; os.close(0); print('{\"ok\": true}')", question=b"x" * 3_000_000)
    assert answer["why"] is None


async def test_one_that_leaves_another_behind_counts_as_hung_and_both_are_ended() -> None:
    answer = await run(LEAVES_ONE, deadline_s=2)
    assert answer["hung"] is True
    await all_are_gone()


async def test_cancelling_ends_it() -> None:
    asking = asyncio.create_task(run("import os; os.read(os.pipe()[0], 1)"))
    while not outside.marked(MARK):
        await asyncio.sleep(0.02)
    asking.cancel()
    await asyncio.wait({asking})
    await all_are_gone()
