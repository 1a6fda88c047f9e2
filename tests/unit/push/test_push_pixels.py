"""How pictures of programs get into a slot, and which are none."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
import pytest

from steadycast.errors import CallerError
from steadycast.frames import Layout, layout
from steadycast.frames.layout import FORMATS, PACKED
from steadycast.push.pixels import fill
from steadycast.push.times import nanoseconds

RANDOM = np.random.default_rng(11)


def slot_of(one: Layout) -> tuple[bytearray, memoryview]:
    memory = bytearray(one.size)
    return memory, memoryview(memory)


def pixels_in(one: Layout, memory: bytes | bytearray) -> bytes:
    """The rows without what fills them up."""
    rows = [
        memory[plane.offset + row * plane.stride :][: plane.row_bytes]
        for plane in one.planes
        for row in range(plane.rows)
    ]
    return b"".join(rows)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(2, 2), (18, 6), (34, 18), (640, 360)])
def test_what_is_written_is_what_is_there(format: str, size: tuple[int, int]) -> None:
    one = layout(format, *size)
    given = RANDOM.integers(0, 256, one.tight, "uint8")
    memory, view = slot_of(one)
    fill(view, one, given)
    assert pixels_in(one, memory) == given.tobytes()
    fill(view, one, bytes(one.tight))
    assert pixels_in(one, memory) == bytes(one.tight)


@pytest.mark.parametrize("format", PACKED)
def test_parts_of_arrays_and_turned_ones(format: str) -> None:
    one, channels = layout(format, 18, 6), PACKED[format]
    big = RANDOM.integers(0, 256, (12, 40, channels), "uint8")
    for picture in (big[3:9, 5:23], big[8:2:-1, 22:4:-1], np.asfortranarray(big[:6, :18])):
        memory, view = slot_of(one)
        fill(view, one, picture)
        assert pixels_in(one, memory) == np.ascontiguousarray(picture).tobytes()


def test_rows_with_a_stride() -> None:
    one = layout("RGB", 18, 6)
    wide = RANDOM.integers(0, 256, (6, 64), "uint8")
    memory, view = slot_of(one)
    fill(view, one, wide.tobytes(), stride=64)
    assert pixels_in(one, memory) == wide[:, :54].tobytes()
    fill(view, one, wide.tobytes()[: 5 * 64 + 54], stride=64)  # the last row need not be full


@pytest.mark.parametrize(
    ("picture", "stride", "code"),
    [
        (np.zeros((6, 18, 4), "uint8"), None, "push.size"),
        (np.zeros((18, 6, 3), "uint8"), None, "push.size"),
        (np.zeros((6, 18, 3), "float32"), None, "push.picture"),
        (bytes(323), None, "push.size"),
        (b"", None, "push.size"),
        (array.array("H", bytes(648)), None, "push.picture"),
        (object(), None, "push.picture"),
        ("text", None, "push.picture"),
        (bytes(324), 53, "push.stride"),
        (bytes(324), 64, "push.stride"),
        (bytes(324), -54, "push.stride"),
        (bytes(324), True, "push.stride"),
        (bytes(324), 54.0, "push.stride"),
        (np.zeros((6, 18, 3), "uint8")[:, ::-1], 54, "push.stride"),
    ],
)
def test_what_is_no_such_picture(picture: Any, stride: Any, code: str) -> None:
    one = layout("RGB", 18, 6)
    _, view = slot_of(one)
    with pytest.raises(CallerError) as caught:
        fill(view, one, picture, stride)
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)


def test_planes_have_no_stride() -> None:
    one = layout("NV12", 18, 6)
    with pytest.raises(CallerError, match="2"):
        fill(slot_of(one)[1], one, bytes(one.tight), stride=18)


@pytest.mark.parametrize("size", [(0, 2), (3, 2), (2, 5), (-2, 2)])
def test_odd_sides_have_no_layout(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even"):
        layout("RGB", *size)
    with pytest.raises(ValueError, match="format"):
        layout("YUY2", 16, 16)


@pytest.mark.parametrize("pts", [float("nan"), float("inf"), -0.1, 1e300, 10**400, "soon", object()])
def test_times_that_are_none(pts: Any) -> None:
    with pytest.raises(CallerError) as caught:
        nanoseconds(pts, None)
    assert caught.value.code == "push.pts"


def test_times_rise() -> None:
    assert nanoseconds(None, 5) is None
    assert nanoseconds(0.5, None) == 500_000_000
    for back in (0.5, 0.4):
        with pytest.raises(CallerError, match=r"0\.500000") as caught:
            nanoseconds(back, 500_000_000)
        assert caught.value.code == "push.backwards"
