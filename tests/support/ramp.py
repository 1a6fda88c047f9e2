"""A film whose grey says when: each frame is a little brighter than the one before, so that one decoded frame tells its
place in the film."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np

from tests.support.lobby_worker import Packet

FPS = 10
FRAMES = 200  # 20 s
BLACK = 25  # grey of the first frame; each next is one brighter
WIDTH, HEIGHT = 320, 180
_FU_A, _STAP_A = 28, 24  # RFC 6184, 5.2


def film(path: Path) -> Path:
    """H.264 without B-frames, a keyframe a second."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"bf": "0", "g": str(FPS), "crf": "10", "preset": "ultrafast"}
        for number in range(FRAMES):
            grey = np.full((HEIGHT * 3 // 2, WIDTH), 128, dtype=np.uint8)
            grey[:HEIGHT] = BLACK + number
            file.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="yuv420p")))
        file.mux(stream.encode())
    return path


def places(packets: Iterable[Packet]) -> list[int]:
    """Numbers of the frames that a decoder makes of H.264 packets, in their order."""
    decoder = av.CodecContext.create("h264", "r")
    frames = [list(group) for _, group in itertools.groupby(packets, lambda packet: packet.timestamp)]
    units = [b"".join(_units(frame)) for frame in frames if frame[-1].marker]  # the last may not be whole
    pictures = [picture for unit in (*map(av.Packet, units), None) for picture in decoder.decode(unit)]
    return [round(float(one.to_ndarray()[: one.height].mean())) - BLACK for one in pictures]  # luma, as it was made


def is_later(place: int, than: int) -> bool:
    """Whether a frame was shown after another, or is the same: the film begins anew at its end."""
    return (place - than) % FRAMES < FRAMES // 2


def _units(packets: Iterable[Packet]) -> Iterable[bytes]:
    """With start codes."""
    for packet in packets:
        data = packet.payload
        kind = data[0] & 0x1F
        if kind == _STAP_A:
            at = 1
            while at < len(data):
                (size,) = struct.unpack_from(">H", data, at)
                yield b"\0\0\0\1" + data[at + 2 : at + 2 + size]
                at += 2 + size
        elif kind == _FU_A:
            begins = data[1] & 0x80
            yield (b"\0\0\0\1" + bytes([(data[0] & 0xE0) | (data[1] & 0x1F)]) if begins else b"") + data[2:]
        else:
            yield b"\0\0\0\1" + data
