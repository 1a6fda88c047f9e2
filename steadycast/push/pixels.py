"""Brings pictures as programs have them into a slot. Pure."""

from __future__ import annotations

import sys
from typing import Any

from steadycast.errors import CallerError
from steadycast.frames import Layout
from steadycast.frames.layout import PACKED


def fill(slot: memoryview, one: Layout, picture: Any, stride: int | None = None) -> None:
    """Copy a picture into a slot: any object with the buffer protocol, of bytes.

    Its shape is (height, width, channels), or for I420 and NV12 (height * 3 / 2, width), or it is flat: all rows one
    after the other, or for formats of one plane rows that begin `stride` bytes after each other. Raises CallerError
    `push.picture`, `push.size`, `push.stride`; then the slot is as it was, or holds a part of it.
    """
    try:
        given = memoryview(picture)
    except TypeError:
        what = f"A {type(picture).__name__} is no picture."
        raise CallerError("push.picture", what, hint="Give a numpy array, bytes or another buffer.") from None
    if given.itemsize != 1:
        what = f"The picture has items of {given.itemsize} bytes ({given.format})."
        raise CallerError("push.picture", what, hint="Convert it to bytes of 0 to 255: array.astype('uint8').")
    if stride is not None:
        _strided(slot, one, given, stride)
        return
    _check_shape(one, given)
    if given.c_contiguous:
        _rows(slot, one, given.cast("B") if given.ndim != 1 or given.format != "B" else given)
    elif "numpy" in sys.modules and given.ndim == 3:
        _array(slot, one, given)
    else:
        _rows(slot, one, memoryview(given.tobytes()))


def _check_shape(one: Layout, given: memoryview) -> None:
    channels = PACKED.get(one.format)
    shapes: list[tuple[int, ...]] = [(one.tight,)]
    if channels is None:
        shapes.append((one.height * 3 // 2, one.width))
    else:
        shapes += [(one.height, one.width, channels), (one.height, one.width * channels)]
    if given.shape not in shapes:
        wanted = shapes[1 if len(shapes) > 1 else 0]
        what = f"The picture has the shape {given.shape}; {one.width}x{one.height} {one.format} has {wanted}."
        hint = f"Give this shape, or {one.tight:,} bytes in one piece; `size` and `format` of Push say what is wanted."
        raise CallerError("push.size", what, hint=hint)


def _rows(slot: memoryview, one: Layout, flat: memoryview) -> None:
    """Rows that follow each other at once."""
    if one.tight == one.size:
        slot[: one.size] = flat
        return
    at = 0
    for plane in one.planes:
        for row in range(plane.rows):
            to = plane.offset + row * plane.stride
            slot[to : to + plane.row_bytes] = flat[at : at + plane.row_bytes]
            at += plane.row_bytes


def _array(slot: memoryview, one: Layout, given: memoryview) -> None:
    """A part of an array, or one that is turned: numpy knows the way without a copy in between."""
    numpy = sys.modules["numpy"]
    channels = PACKED[one.format]
    shape, strides = (one.height, one.width, channels), (one.planes[0].stride, channels, 1)
    numpy.ndarray(shape, "uint8", slot, 0, strides)[...] = numpy.asarray(given).view("uint8")


def _strided(slot: memoryview, one: Layout, given: memoryview, stride: int) -> None:
    plane = one.planes[0]
    if len(one.planes) > 1:
        what = f"`stride` is for pictures of one plane; {one.format} has {len(one.planes)}."
        raise CallerError("push.stride", what, hint="Give the planes one after the other, without gaps.")
    if isinstance(stride, bool) or not isinstance(stride, int) or stride < plane.row_bytes:
        what = f"The stride is {stride!r}; a row of {one.width} pixels of {one.format} has {plane.row_bytes} bytes."
        raise CallerError("push.stride", what, hint="Give the bytes from the beginning of a row to that of the next.")
    needed = stride * (plane.rows - 1) + plane.row_bytes
    if not given.c_contiguous or given.nbytes < needed:
        what = f"The buffer has {given.nbytes} bytes; {plane.rows} rows that are {stride} bytes apart have {needed}."
        raise CallerError("push.stride", what, hint="Is it the stride of this buffer, and the buffer in one piece?")
    flat = given.cast("B") if given.ndim != 1 or given.format != "B" else given
    for row in range(plane.rows):
        to, at = row * plane.stride, row * stride
        slot[to : to + plane.row_bytes] = flat[at : at + plane.row_bytes]
