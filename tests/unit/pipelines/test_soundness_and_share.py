"""What an encoder made, by its first bytes; and the CPUs that a process may use, by files of the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.model import Codec
from steadycast.pipelines.share import cpus
from steadycast.pipelines.soundness import flaw

START = b"\x00\x00\x00\x01"
PICTURES = [codec for codec in Codec if codec is not Codec.OPUS]
SPS, PPS, IDR, SLICE = (bytes((kind,)) + b"\x42\x00" for kind in (0x67, 0x68, 0x65, 0x41))
H265 = [bytes((kind << 1, 1)) + b"\x0c" for kind in (32, 33, 34, 19)]
SEQUENCE, FRAME = b"\x0a\x02\x00\x00", b"\x32\x02\x10\x00"  # with their size fields
VP8_KEY = b"\x10\x02\x00\x9d\x01\x2a\x40\x01\xf0\x00\x00"
VP9_KEY = b"\x82\x49\x83\x42\x00"


def with_lengths(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


@pytest.mark.parametrize(
    ("codec", "made"),
    [
        (Codec.H264, [START + SPS + START + PPS + START[1:] + IDR, START + SLICE]),
        (Codec.H264, [with_lengths(SPS, PPS, IDR)]),
        (Codec.H265, [b"".join(START + unit for unit in H265)]),
        (Codec.H265, [with_lengths(*H265)]),
        (Codec.AV1, [SEQUENCE + FRAME]),
        (Codec.VP8, [VP8_KEY, b"\x01"]),
        (Codec.VP9, [VP9_KEY]),
    ],
)
def test_a_stream_that_begins_well(codec: Codec, made: list[bytes]) -> None:
    assert flaw(codec, made) is None


@pytest.mark.parametrize(
    ("codec", "made", "says"),
    [
        (Codec.H264, [START + SLICE], "sequence parameter set"),
        (Codec.H264, [START + SPS + START + IDR], "picture parameter set"),
        (Codec.H264, [with_lengths(SPS, PPS, SLICE)], "IDR"),
        (Codec.H265, [b"".join(START + unit for unit in H265[:3])], "keyframe"),
        (Codec.AV1, [FRAME], "sequence header"),
        (Codec.AV1, [SEQUENCE], "frame"),
        (Codec.VP8, [b"\x11" + VP8_KEY[1:]], "keyframe"),
        (Codec.VP9, [b"\x86\x00\x00\x00"], "keyframe"),
        (Codec.VP9, [], "nothing"),
    ],
)
def test_what_is_missing_is_named(codec: Codec, made: list[bytes], says: str) -> None:
    assert says in (flaw(codec, made) or "")


@given(st.sampled_from(PICTURES), st.lists(st.binary(max_size=60), max_size=4))
def test_any_bytes_are_judged(codec: Codec, made: list[bytes]) -> None:
    assert flaw(codec, made) is None or flaw(codec, made)


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "may"),
    [
        ({}, 8),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"sys/fs/cgroup/cpu.max": "nonsense"}, 8),
        ({"sys/fs/cgroup/cpu.max": "100000 0"}, 8),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "200000 100000",
                "sys/fs/cgroup/a/b/cpu.max": "max 1",
            },
            2,
        ),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 0.5),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"sys/fs/cgroup/cpu.max": "6400000 100000"}, 8),
    ],
)
def test_cpus_by_affinity_and_quota(tmp_path: Path, files: dict[str, str], may: float) -> None:
    assert cpus(range(8), machine(tmp_path, files)) == may
