"""Reading sequence parameter sets: real ones of several encoders, and whatever else comes."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.model import Codec
from steadycast.pipelines.in_force import StreamParameters, exceeds, in_force
from steadycast.pipelines.sps import (
    Bits,
    SpsError,
    complete,
    h264_reorders,
    h265_reorders,
    reorders,
    unescape,
)

X264_BASELINE = "Z0LAH9oBQBbsBagICAoAAAMAAgAAAwB5HjBlQA=="
MAIN_WITHOUT_B = "Z01AH9oBQBbsBEAAAAMAQAAADIPGDKg="
MAIN_WITH_B = "Z01AHuygUBf8uAtQYGBqUAAAAwAQAAADAyjxYtlg"
X265_WITHOUT_B = "QgEBAWAAAAMAkAAAAwAAAwA/oAUCAXHy5bpKTC//AAEAAWoMDAwIAAADAAgAAAMAyEA="
HIGH_444 = "Z/QADZGbKCg/YC1BgYGQAAADABAAAAMDyPFCmWA="
X265_WITH_B = "QgEBAWAAAAMAkAAAAwAAAwA/oAoIDxZZWWSTK//AAEAAWoMDAwIAAAMAAgAAAwA8EA=="
OPENH264 = "Z0LADYyNQKD5APCIRqA="


@pytest.mark.parametrize(
    ("sps", "expected"),
    [(X264_BASELINE, False), (MAIN_WITHOUT_B, False), (MAIN_WITH_B, True), (HIGH_444, True), (OPENH264, False)],
)
def test_h264(sps: str, expected: bool) -> None:
    assert reorders(Codec.H264, {"sprop-parameter-sets": f"{sps},aM48gA=="}) is expected


@pytest.mark.parametrize(("sps", "expected"), [(X265_WITHOUT_B, False), (X265_WITH_B, True)])
def test_h265(sps: str, expected: bool) -> None:
    assert reorders(Codec.H265, {"sprop-sps": sps}) is expected


def test_without_a_parameter_set_it_is_unknown() -> None:
    assert reorders(Codec.H264, {}) is None
    assert reorders(Codec.H265, {"sprop-sps": "%%%"}) is None


def test_without_vui_it_is_unknown() -> None:
    # Main profile, picture order count type 0, one reference frame, 16x16, frames only, no cropping, no VUI.
    bits = "1" + "1" + "1" + "1" + "010" + "0" + "1" + "1" + "1" + "1" + "0" + "0" + "1"
    body = int(bits.ljust(16, "0"), 2).to_bytes(2, "big")
    assert h264_reorders(b"\x67\x4d\x00\x1e" + body) is None


def test_profile_level_id_is_completed() -> None:
    fmtp = complete(Codec.H264, {"sprop-parameter-sets": f"{MAIN_WITHOUT_B},aO88gA=="})
    assert fmtp["profile-level-id"] == "4d401f"
    assert complete(Codec.H264, {"profile-level-id": "42c01f"}) == {"profile-level-id": "42c01f"}
    assert complete(Codec.H264, {"sprop-parameter-sets": "?"}) == {"sprop-parameter-sets": "?"}


def test_profile_and_level_of_h265_are_completed() -> None:
    named = {"profile-id": "1", "tier-flag": "0", "level-id": "63"}
    assert complete(Codec.H265, {"sprop-sps": X265_WITHOUT_B}) == {"sprop-sps": X265_WITHOUT_B, **named}
    told = {"sprop-sps": X265_WITHOUT_B, "profile-id": "2", "tier-flag": "0", "level-id": "93"}
    assert complete(Codec.H265, told) == told
    main_10 = bytearray(base64.b64decode(X265_WITHOUT_B))
    main_10[3] = 2
    assert complete(Codec.H265, {"sprop-sps": base64.b64encode(main_10).decode()})["profile-id"] == "2"
    for broken in ("?", "", "QgEB", X264_BASELINE):
        assert complete(Codec.H265, {"sprop-sps": broken}) == {"sprop-sps": broken}


def test_emulation_prevention() -> None:
    assert unescape(b"\x00\x00\x03\x01\x00\x00\x03\x00") == b"\x00\x00\x01\x00\x00\x00"
    assert unescape(b"\x00\x03\x00\x00") == b"\x00\x03\x00\x00"


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=20))
def test_exp_golomb_reads_back(values: list[int]) -> None:
    text = "".join(f"{value + 1:b}".zfill(2 * (value + 1).bit_length() - 1) for value in values)
    text += "0" * (-len(text) % 8)
    bits = Bits(int(text, 2).to_bytes(len(text) // 8, "big"))
    assert [bits.ue() for _ in values] == values


@given(st.binary(max_size=80), st.sampled_from([b"\x67\x64\x00\x1f", b"\x67\x4d\x00\x1f", b"\x42\x01", b""]))
def test_any_bytes_end_in_an_answer_or_an_sps_error(data: bytes, head: bytes) -> None:
    for read in (h264_reorders, h265_reorders):
        with contextlib.suppress(SpsError):
            assert read(head + data) in (True, False, None)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_a_cut_parameter_set_is_no_crash(_: bytes, cut: int) -> None:
    whole = base64.b64decode(MAIN_WITH_B)
    assert reorders(Codec.H264, {"sprop-parameter-sets": base64.b64encode(whole[:cut]).decode()}) in (True, False, None)


def test_what_a_stream_says_of_itself() -> None:
    assert in_force(Codec.H264, {}) is None
    assert in_force(Codec.H264, {"sprop-parameter-sets": "!!"}) is None
    assert in_force(Codec.VP8, {"profile": "0"}) is None
    assert in_force(Codec.AV1, {"profile": "0", "level-idx": "8", "tier": "0"}) == StreamParameters("Main", "4.0")


@given(st.binary(max_size=80), st.sampled_from([Codec.H264, Codec.H265]))
def test_any_bytes_are_parameters_or_none(data: bytes, codec: Codec) -> None:
    name, head = ("sprop-parameter-sets", b"\x67") if codec is Codec.H264 else ("sprop-sps", b"\x42\x01")
    found = in_force(codec, {name: base64.b64encode(head + data).decode()})
    assert found is None or (found.references is not None and 0 <= found.references <= 16)


FOUR_REFERENCES = "Z0LAH9lAUAW7AWoCAgKAAAADAIAAAB5HjBks"
X265_TWELVE_BITS = "QgEBBAgAAAMAmAgAAAMAAF2QAFAQBaIpSy0lJhf/gACAALUBAQEEAAADAAQAAAMAeCA="


@pytest.mark.parametrize(
    ("codec", "text", "expected"),
    [
        (Codec.H264, X264_BASELINE, ("Constrained Baseline", "3.1", 1280, 720, 8, 1, 1_382_400)),
        (Codec.H264, FOUR_REFERENCES, ("Constrained Baseline", "3.1", 1280, 720, 8, 4, 5_529_600)),
        (Codec.H265, X265_TWELVE_BITS, ("Range extensions", "3.1", 1280, 720, 12, 4, 23_592_960)),
    ],
)
def test_real_streams(codec: Codec, text: str, expected: tuple[object, ...]) -> None:
    name = "sprop-parameter-sets" if codec is Codec.H264 else "sprop-sps"
    found = in_force(codec, {name: f"{text},aM4=" if codec is Codec.H264 else text})
    assert found == StreamParameters(*expected)  # type: ignore[arg-type]
    assert exceeds(found, 1) and not exceeds(found, 50) and not exceeds(None, 1)
