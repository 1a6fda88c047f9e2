"""What a trial's child told, and how it died, as a result."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.errors import WorkerError
from steadycast.model import Codec, EncoderFault
from steadycast.workers.throwaway import Ending, judge
from steadycast.workers.trials import judge_calibration, judge_trial

GOOD = {"ok": True, "element": "x264enc", "memory": None, "pixels_per_s": 8e7, "gstreamer": "1.22.0"}
MEASURED = {"ok": True, "large": 1e-8, "small": 1.25e-8, "cpus": 2.0, "gstreamer": "1.22.0", "cpu": "some CPU"}
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)
ENDINGS = st.builds(
    Ending,
    st.dictionaries(st.sampled_from(["ok", "fault", "what", "why", "element", "pixels_per_s", "large", "small"]), JSON),
    st.none() | st.text(min_size=1),
    st.none() | st.integers(-64, 255),
    st.booleans(),
)


def test_one_that_works() -> None:
    result = judge_trial(Ending(GOOD, None, 0), 0.7)
    assert result.ok
    assert (result.element, result.pixels_per_s, result.gstreamer, result.took_s) == ("x264enc", 8e7, "1.22.0", 0.7)
    assert result.fault is None


def test_a_refusal_keeps_its_fault_and_words() -> None:
    told = {
        "ok": False,
        "fault": "encoder.incompatible_client_key",
        "what": "nvh264enc did not open",
        "why": "NVENC 21",
    }
    result = judge_trial(Ending(told, "NVENC 21", 1), 0.4)
    assert not result.ok
    assert result.fault is EncoderFault.CLIENT_KEY
    assert (result.what, result.why) == ("nvh264enc did not open", "NVENC 21")


def test_a_child_that_hangs() -> None:
    result = judge_trial(Ending(why="no answer within 15 s", hung=True), 15)
    assert (result.ok, result.fault, result.why) == (False, EncoderFault.HUNG, "no answer within 15 s")


def test_a_child_that_dies_is_no_success_whatever_it_told() -> None:
    told, why = judge(json.dumps(GOOD).encode(), b"", -11)
    result = judge_trial(Ending(told, why, -11), 0.4)
    assert not result.ok
    assert result.fault is EncoderFault.FAILED
    assert result.why == "the child was ended by SIGSEGV"


def test_a_fault_that_nobody_knows_is_a_failure() -> None:
    result = judge_trial(Ending({"fault": "nonsense", "what": "?"}, "?", 1), 0.1)
    assert result.fault is EncoderFault.FAILED


@given(ENDINGS, st.floats(0, 100))
def test_any_ending_is_judged(ending: Ending, took: float) -> None:
    result = judge_trial(ending, took)
    assert result.ok is (result.fault is None)
    assert result.ok or result.what


def test_factors_are_against_h264_of_the_same_size() -> None:
    others = {
        Codec.H265: Ending({"ok": True, "small": 5e-8}, None, 0),
        Codec.AV1: Ending({}, "the child was ended by SIGABRT", -6),
        Codec.VP8: Ending({"ok": True, "small": "fast"}, None, 0),
    }
    found = judge_calibration(Ending(MEASURED, None, 0), others)
    assert found.pixels_per_s == 2e8
    assert found.factors == {Codec.H264: 1.0, Codec.H265: 4.0}
    assert (found.gstreamer, found.cpu, found.cpus) == ("1.22.0", "some CPU", 2.0)


@pytest.mark.parametrize(
    "wrong", [{"large": 0}, {"large": -1}, {"small": None}, {"cpus": True}, {"large": float("inf")}]
)
def test_a_speed_that_cannot_be_is_no_measurement(wrong: dict[str, Any]) -> None:
    with pytest.raises(WorkerError, match="could not be measured"):
        judge_calibration(Ending({**MEASURED, **wrong}, None, 0), {})


def test_without_h264_nothing_is_measured() -> None:
    with pytest.raises(WorkerError) as caught:
        judge_calibration(Ending({}, "no answer within 20 s", hung=True), {})
    assert caught.value.why == "no answer within 20 s"
