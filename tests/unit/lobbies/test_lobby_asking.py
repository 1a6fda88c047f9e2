"""What is asked of the encoders: sizes, policy, memory of refusals, descriptors."""

from __future__ import annotations

import os
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.config.encoder_settings import EncoderSettings
from steadycast.errors import CallerError
from steadycast.lobbies.asking import MEMORY_S, Tried, descriptors_free, policy_of, request_of, soft_limit
from steadycast.model import Codec, EncodePolicy, HardwareUse, Rendition, WhenFull
from steadycast.pipelines.plan import Picture

HD = Picture(1920, 1080, 60.0)
POLICY = policy_of(EncodePolicy(), EncoderSettings())


def test_a_lobby_differs_from_the_settings_where_it_says_so() -> None:
    settings = EncoderSettings(hardware=HardwareUse.REQUIRE, when_full=WhenFull.QUEUE)
    assert policy_of(EncodePolicy(), settings) == EncodePolicy(HardwareUse.REQUIRE, WhenFull.QUEUE, 50, None)
    asked = EncodePolicy(HardwareUse.FORBID, WhenFull.REFUSE, 0, "gpu")
    assert policy_of(asked, settings) == asked


def test_the_request_has_what_will_be_encoded() -> None:
    rendition = Rendition("low", codec="h265", height=360, fps=30)
    request = request_of("l/low", rendition, HD, POLICY, Tried(), 7.0, 12)
    assert (request.holder, request.codec, request.width, request.height, request.fps) == (
        "l/low", Codec.H265, 640, 360, 30.0,
    )  # fmt: skip
    assert (request.since, request.descriptors_free, request.priority) == (7.0, 12, 50)
    assert request_of("l/m", Rendition("m"), Picture(640, 360), POLICY, Tried(), 0.0, None).fps == 25
    with pytest.raises(CallerError):
        request_of("l/m", Rendition("m"), Picture(), POLICY, Tried(), 0.0, None)


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from("abc"), st.booleans()), max_size=40))
def test_refusals_are_remembered_so_long_and_no_longer(steps: list[tuple[float, str, bool]]) -> None:
    tried, now, at = Tried(), 0.0, dict[str, float]()
    for wait, device, refuses in steps:
        now += wait
        if refuses:
            tried.refuse(device, now)
            at[device] = now
        assert tried.devices(now) == {one for one, when in at.items() if now - when <= MEMORY_S}
        assert len(tried.refused or {}) <= 3
    tried.forget()
    assert not tried.devices(now) and not tried.worth_keeping(now)


def test_the_place_in_the_line_is_kept_over_tries() -> None:
    tried = Tried()
    assert [tried.asked(10.0), tried.asked(20.0)] == [10.0, 10.0]
    assert tried.worth_keeping(20.0) and not tried.worth_keeping(10.0 + MEMORY_S + 1)
    assert tried.asked(10.0 + MEMORY_S + 1) == 10.0 + MEMORY_S + 1, "nobody waits in a line for so long"


def test_descriptors() -> None:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    free = descriptors_free(os.getpid())
    assert free is not None and 0 < free < soft
    reading, writing = os.pipe()
    less = descriptors_free(os.getpid())
    for descriptor in (reading, writing):
        os.close(descriptor)
    assert less is not None and less <= free - 2
    assert descriptors_free(None) is None and descriptors_free(2**22 + 1) is None
    assert soft_limit("Max open files            unlimited            unlimited            files") is None
    assert soft_limit("Max open files            1024                 524288               files") == 1024
    assert soft_limit("") is None
