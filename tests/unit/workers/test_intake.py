"""What a worker says before somebody takes it is kept, in order, and not for ever."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from steadycast.errors import WorkerError
from steadycast.workers.channel import Descriptors
from steadycast.workers.intake import MAX_KEPT, Intake


async def answer(message: Any, fds: Descriptors) -> dict[str, Any]:
    return {"to": message}


async def test_kept_messages_come_first_and_a_bad_one_loses_no_other() -> None:
    heard: list[int] = []

    def on_message(message: int, fds: Descriptors) -> None:
        heard.append(message)
        if message == 1:
            raise KeyError(message)
        if message == 2:
            raise WorkerError("test", "no")

    intake = Intake("test")
    assert all(intake.heard(number, Descriptors()) for number in range(5))
    intake.take(on_message, None)
    assert intake.heard(5, Descriptors())
    assert heard == list(range(6))


async def test_it_is_bounded() -> None:
    intake = Intake("test")
    assert all(intake.heard(number, Descriptors()) for number in range(MAX_KEPT))
    assert not intake.heard(MAX_KEPT, Descriptors())


async def test_descriptors_are_kept_with_their_message_and_closed() -> None:
    intake = Intake("test")
    reading, writing = os.pipe()
    fds = Descriptors([writing])
    intake.heard("with a descriptor", fds)
    assert len(fds) == 0  # else the channel would close it
    os.write(writing, b"open")
    intake.close()
    with pytest.raises(OSError):
        os.write(writing, b"closed")
    os.close(reading)


async def test_requests_wait_for_who_takes_it() -> None:
    intake = Intake("test")
    asked = [asyncio.create_task(intake.asked(number, Descriptors())) for number in range(3)]
    await asyncio.sleep(0)
    asked[0].cancel()  # the others wait on
    await asyncio.sleep(0)
    intake.take(lambda message, fds: None, answer)
    assert await asyncio.gather(*asked[1:]) == [{"to": 1}, {"to": 2}]


async def test_requests_of_one_that_nobody_takes() -> None:
    intake = Intake("test")
    asked = asyncio.create_task(intake.asked("a", Descriptors()))
    await asyncio.sleep(0)
    intake.close()
    for request in (asked, intake.asked("b", Descriptors())):
        with pytest.raises(WorkerError, match="nobody answers"):
            await request
    assert intake.heard("late", Descriptors())
