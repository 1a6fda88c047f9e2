"""How the pixels of a picture lie in a buffer, for each format. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# Bytes of a pixel of the formats that have one plane.
PACKED = {"RGB": 3, "RGBA": 4, "BGRx": 4}
FORMATS = (*PACKED, "I420", "NV12")


@dataclass(frozen=True, slots=True)
class Plane:
    """`rows` rows that begin `stride` bytes after each other; the first `row_bytes` of each are pixels."""

    offset: int
    stride: int
    rows: int
    row_bytes: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture in memory. `size` in bytes, with what fills the rows up; `tight` without."""

    format: str
    width: int
    height: int
    planes: tuple[Plane, ...]
    size: int

    @property
    def tight(self) -> int:
        """Bytes of the pixels alone, one row after the other."""
        return sum(plane.rows * plane.row_bytes for plane in self.planes)


def layout(format: str, width: int, height: int) -> Layout:
    """Of a picture whose sides are even, as GStreamer lays it out: rows begin at multiples of 4 bytes
    (gst_video_info_set_format). Raises ValueError for a format that is not known here, and for odd sides."""
    if width < 2 or height < 2 or width % 2 or height % 2:
        raise ValueError(f"a picture of {width}x{height} has no layout: both sides must be even")
    if format in PACKED:
        row = width * PACKED[format]
        shapes = [(row, height)]
    elif format == "I420":
        shapes = [(width, height), (width // 2, height // 2), (width // 2, height // 2)]
    elif format == "NV12":
        shapes = [(width, height), (width, height // 2)]
    else:
        raise ValueError(f"the format {format!r} is none of {', '.join(FORMATS)}")
    planes, at = [], 0
    for row, rows in shapes:
        stride = (row + 3) // 4 * 4
        planes.append(Plane(at, stride, rows, row))
        at += stride * rows
    return Layout(format, width, height, tuple(planes), at)
