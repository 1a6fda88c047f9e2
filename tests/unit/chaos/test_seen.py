"""What judges viewers sees frames that are missing and pictures that stood still, whatever the numbers say."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.support.rtsp_viewer import TrackCount
from tests.support.seen import Judgement, faults

FPS = 10
ALL = Judgement(step_s=1.0, fps=FPS)
Came = tuple[int, float]  # which frame of the source, when


def idle(since: float, until: float) -> float:
    return until - since


def starved(since: float, until: float) -> float:
    return (until - since) / 20


def track(frames: Iterable[Came]) -> tuple[TrackCount, list[float]]:
    """What came of packets that the host numbered without a gap, two a frame; the clock of RTP wraps."""
    counted, arrived, sequence = TrackCount(), list[float](), 65_530
    for frame, at in frames:
        for marker in (0, 0x80):
            stamp = (0xFFFFFFFF - 90_000 + frame * 90_000 // FPS) & 0xFFFFFFFF
            counted.count(struct.pack(">BBHII", 0x80, marker | 96, sequence & 0xFFFF, stamp, 1))
            sequence += 1
        arrived.append(at)
    return counted, arrived


def plain(frames: range) -> list[Came]:
    return [(frame, frame / FPS) for frame in frames]


@pytest.mark.parametrize(
    ("frames", "judgement", "words"),
    [
        (plain(range(60)), ALL, []),
        (plain(range(10)) + plain(range(13, 60)), ALL, ["3 frames are missing of 60"]),
        (plain(range(10)) + plain(range(13, 60)), replace(ALL, missing=3), []),
        (plain(range(10)) + plain(range(13, 60)), Judgement(), []),
        (plain(range(10)) + plain(range(30, 60)), replace(ALL, fps=None), ["time stamps step by [2.1] s"]),
        (
            plain(range(10)) + [(frame, frame / FPS + 7) for frame in range(10, 60)],
            ALL,
            ["no picture for [(7.1, 7.1)]"],
        ),
        (plain(range(10)) + [(frame, frame / FPS + 4) for frame in range(10, 60)], ALL, []),
        (plain(range(10)) + plain(range(80, 90)), Judgement(), ["time stamps step by [7.1] s", "no picture for [(7.1"]),
        (plain(range(10)) + plain(range(9, 20)), ALL, ["time stamps step by [0.0] s"]),
        (plain(range(10)) + plain(range(5, 20)), replace(ALL, fps=None), ["time stamps step by ["]),
    ],
)
def test_what_numbers_do_not_tell_is_seen(frames: list[Came], judgement: Judgement, words: list[str]) -> None:
    counted, arrived = track(frames)
    assert counted.gaps == 0 and counted.frames == len(frames)
    found = faults(counted.timestamps, arrived, idle, judgement)
    assert len(found) == len(words) and all(one.startswith(word) for one, word in zip(found, words, strict=True)), found


def test_what_the_load_of_the_machine_explains_is_not_judged() -> None:
    late = plain(range(10)) + [(frame, frame / FPS + 7) for frame in range(13, 60)]
    counted, arrived = track(late)
    assert faults(counted.timestamps, arrived, starved, ALL) == []
    assert len(faults(counted.timestamps, arrived, idle, ALL)) == 2
