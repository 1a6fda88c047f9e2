"""Messages between producers and workers: whole or not at all, whatever comes."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from steadycast.errors import CallerError
from steadycast.frames.messages import (
    LONGEST,
    TO_HOST,
    TO_PRODUCER,
    VERSION,
    Bye,
    Come,
    Frame,
    Free,
    Heir,
    Legacy,
    Moved,
    Refused,
    Retire,
    Welcome,
    pack,
    unpack,
)  # fmt: skip

SAID: list[Any] = [
    Come(VERSION), Frame(3), Frame(3, 10**18, 100, 5, 7), Heir("/a/b"), Free(1), Retire(2), Moved("/c"),
    Welcome(1, 16, 16, 30, "RGB", 768, (1, 2, 3), (48,)), Refused(1, "push.pts", "x"), Bye("push.taken", "x", "y"),
]  # fmt: skip


@pytest.mark.parametrize("message", SAID, ids=lambda one: type(one).__name__)
def test_there_and_back(message: Any) -> None:
    kinds = TO_HOST if isinstance(message, TO_HOST) else TO_PRODUCER
    assert unpack(pack(message), kinds) == message
    assert len(pack(message)) < LONGEST


BAD = [
    b"", b"\xff\x00", b"[]", b"null", b'"frame"', b"{}", b'{"type":"welcome"}', b'{"type":["frame"],"slot":1}',
    b'{"type":"frame"}', b'{"type":"frame","slot":"1"}', b'{"type":"frame","slot":1.0}',
    b'{"type":"frame","slot":true}',
    b'{"type":"frame","slot":1,"pts":NaN}', b'{"type":"frame","slot":1,"pts":1e3}', b'{"type":"frame","slot":1,"x":2}',
    b'{"type":"frame","slot":null}', b'{"type":"frame","slot":%d}' % 2**63, b'{"type":"come"}',
    b'{"type":"heir","path":7}', b'{"type":"heir","path":"%s"}' % (b"x" * 2000), b" " * (LONGEST + 1), b"[" * 4000,
]  # fmt: skip


@pytest.mark.parametrize("data", BAD, ids=range(len(BAD)))
def test_nonsense(data: bytes) -> None:
    with pytest.raises(CallerError) as caught:
        unpack(data, TO_HOST)
    assert caught.value.code == "push.message"


def test_any_bytes_are_a_message_or_nonsense() -> None:
    dice = random.Random(7)
    values: list[Any] = [None, True, -1, 0, 2**70, 1.5, "", "x" * 700, [], [1, "x"], {}]
    for _ in range(2000):
        told = json.loads(pack(dice.choice(SAID)))
        told[dice.choice([*told, "type", "slot", "odd"])] = dice.choice(values)
        data = bytearray(json.dumps(told).encode())
        if dice.random() < 0.5:
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            assert isinstance(unpack(bytes(data), TO_HOST + TO_PRODUCER), TO_HOST + TO_PRODUCER)
        except CallerError as error:
            assert error.code == "push.message"


def test_what_a_side_must_not_say() -> None:
    for message in (Free(1), Legacy(7), Bye("x", "y")):
        with pytest.raises(CallerError):
            unpack(pack(message), TO_HOST)
    with pytest.raises(CallerError):
        unpack(pack(Frame(1)), TO_PRODUCER)
