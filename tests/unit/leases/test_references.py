"""Reference frames: their memory, and how many fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.leases.references import MB, MOST, ReferencesError, choose, frame_bytes
from steadycast.model import Codec

codecs = st.sampled_from([Codec.H264, Codec.H265, Codec.AV1, Codec.VP8, Codec.VP9])
sides = st.integers(1, 16_384)


def test_sizes_are_whole_blocks() -> None:
    assert frame_bytes(Codec.H264, 1920, 1080) == 1920 * 1088 * 3 // 2
    assert frame_bytes(Codec.H265, 1920, 1080) == 1920 * 1088 * 3 // 2
    assert frame_bytes(Codec.AV1, 3840, 2160, bit_depth=10) == 3840 * 2176 * 3
    assert frame_bytes(Codec.H264, 1, 1, chroma=0) == 256
    assert frame_bytes(Codec.H265, 64, 64, chroma=3) == 64 * 64 * 3


@pytest.mark.parametrize(
    ("asked", "budget", "count", "cut"), [(1, 50, 1, False), (16, 50, 15, True), (4, 13, 4, False)]
)
def test_the_budget_chooses_the_count(asked: int, budget: float, count: int, cut: bool) -> None:
    chosen = choose(Codec.H264, 1920, 1080, asked, budget)
    assert (chosen.count, chosen.cut, chosen.fixed) == (count, cut, False)
    assert chosen.bytes <= budget * MB


def test_what_cannot_fit_is_refused_with_the_reason() -> None:
    with pytest.raises(ReferencesError) as refused:
        choose(Codec.H265, 7680, 4320, 2, 40)
    assert str(refused.value) == "1 reference frame of 7680x4320 in h265 needs 50.2 MB, and the budget is 40 MB"
    with pytest.raises(ReferencesError, match="3 reference frames of 3840x2160 in av1"):
        choose(Codec.AV1, 3840, 2160, 1, 30)


@pytest.mark.parametrize("budget", [0, -1, 0.001])
def test_a_budget_of_nothing_ends(budget: float) -> None:
    with pytest.raises(ReferencesError):
        choose(Codec.H264, 1280, 720, 1, budget)


@pytest.mark.parametrize("asked", [0, -3, 17])
def test_a_count_that_makes_no_sense(asked: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 16"):
        choose(Codec.H264, 1280, 720, asked)


@given(codecs, sides, sides, st.integers(1, MOST), st.floats(0.1, 2000))
def test_what_is_chosen_fits(codec: Codec, width: int, height: int, asked: int, budget: float) -> None:
    try:
        chosen = choose(codec, width, height, asked, budget)
    except ReferencesError:
        assert frame_bytes(codec, width, height) * 3 > budget * MB or codec is Codec.H264
        return
    assert chosen.count >= 1
    assert chosen.bytes <= budget * MB
    assert chosen.frame_bytes >= width * height * 3 // 2
    assert chosen.fixed or chosen.count <= asked
    assert chosen.cut == (not chosen.fixed and chosen.count < asked)
