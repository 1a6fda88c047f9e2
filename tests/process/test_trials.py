"""Encoders are tried in throw-away children: real ones, ones that refuse, hang and die; nothing of them stays."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from steadycast.config.encoder_settings import SimulatedSettings
from steadycast.errors import RefusedError
from steadycast.model import Codec, EncoderFault, EncoderOrder
from steadycast.vendors.simulated.vendor import SimulatedVendor
from steadycast.workers.registry import build_registry, registry_environment
from steadycast.workers.trials import Trials
from tests.support import outside

pytestmark = pytest.mark.process

X264 = EncoderOrder("software", "software", Codec.H264, "x264", ("x264enc",))
MARK = "A_TRIAL_OF_THIS_TEST=1"


def fragment(text: str) -> EncoderOrder:
    return EncoderOrder("software", "software", Codec.H264, "fragment", fragment=text)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Built once, as a host does."""
    folder = tmp_path_factory.mktemp("registry")
    asyncio.run(build_registry(folder))
    return registry_environment(folder)


@pytest.fixture
async def trials(registry: dict[str, str]) -> AsyncIterator[Trials]:
    made = Trials(registry, trial_s=outside.GENEROUS_S)
    yield made
    await made.close()


async def test_an_encoder_that_works(trials: Trials) -> None:
    result = await trials.trial(X264)
    assert result.ok, result
    assert result.element == "x264enc"
    assert result.pixels_per_s is not None
    assert (result.gstreamer or "").startswith("1.")


async def test_refusals_are_told_apart(trials: Trials) -> None:
    missing = await trials.trial(EncoderOrder("x", "nvidia", Codec.H264, "nvcodec-h264", ("nosuchh264enc",)))
    assert missing.fault is EncoderFault.MISSING
    assert "nosuchh264enc" in (missing.what or "")
    settings = await trials.trial(fragment("x264enc bitrat={bitrate_kbps}"))
    assert settings.fault is EncoderFault.SETTINGS
    assert "bitrat" in (settings.what or "")
    raw = await trials.trial(fragment("identity ! videoconvert"))
    assert raw.fault is EncoderFault.SETTINGS
    assert "identity cannot be put into the pipeline" in (raw.what or "")
    ends_early = await trials.trial(fragment("x264enc tune=zerolatency ! identity error-after=3"))
    assert ends_early.fault is EncoderFault.FAILED
    assert ends_early.element == "x264enc"


async def test_a_device_that_refuses(trials: Trials, tmp_path: Path) -> None:
    vendor = SimulatedVendor(SimulatedSettings(enabled=True, sessions=0, refusal_code=21), tmp_path)
    try:
        look = vendor.look()
        assert look is not None
        choice = look.devices[0].choices[0]
        order = EncoderOrder(
            look.devices[0].id, "simulated", choice.codec, choice.entry, choice.elements, dict(choice.options)
        )
        assert (await trials.trial(order)).fault is EncoderFault.CLIENT_KEY
    finally:
        vendor.close()


def child(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script)


HANGS = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", "input()"], stdin=os.pipe()[0])
os.read(os.pipe()[0], 1)
"""
DIES = "import os; print('{\"ok\": true}', flush=True); os.abort()"


async def test_a_child_that_hangs_is_killed_with_what_it_started() -> None:
    name, _, value = MARK.partition("=")
    trials = Trials({name: value}, child(HANGS), trial_s=2)
    result = await trials.trial(X264)
    assert result.fault is EncoderFault.HUNG
    while [pid for pid in outside.marked(MARK) if not outside.has_ended(pid)]:
        await asyncio.sleep(0.05)  # pytest's own deadline ends it


async def test_closing_ends_a_trial_that_runs() -> None:
    trials = Trials({}, child("import os; os.read(os.pipe()[0], 1)"), trial_s=outside.GENEROUS_S)
    first, second = (asyncio.create_task(trials.trial(X264)) for _ in range(2))
    while not outside.look().children:
        await asyncio.sleep(0.02)
    await trials.close()
    for waiting in (first, second):
        with pytest.raises(RefusedError):
            await waiting


async def test_who_asked_may_leave_and_the_next_is_served(trials: Trials) -> None:
    leaving = asyncio.create_task(trials.trial(X264))
    while not outside.look().children:
        await asyncio.sleep(0.02)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert not outside.look().children
    assert (await trials.trial(X264)).ok


async def test_many_rounds_and_failures_leave_nothing() -> None:
    commands = (
        child(DIES),
        child("print('x' * 4_000_000)"),
        ("/no/such/program",),
        child("import sys; sys.stdin.close()"),
    )
    await Trials({}, commands[0]).trial(X264)  # what a first child needs is made once
    before = outside.look()
    for command in commands * 5:
        result = await Trials({}, command, trial_s=outside.GENEROUS_S).trial(X264)
        assert result.fault is EncoderFault.FAILED, command
    assert outside.look() == before


async def test_the_cpu_is_measured(trials: Trials) -> None:
    found = await trials.calibrate()
    assert 1e6 < found.pixels_per_s < 1e11
    assert found.factors[Codec.H264] == 1
    assert {Codec.VP8, Codec.VP9} <= set(found.factors)
    assert 0 < found.cpus <= len(os.sched_getaffinity(0))
    assert found.gstreamer
