"""What a viewer saw, judged by media time and, where the machine was not starved, by the clock. Pure.

A host numbers packets itself, so sequence numbers without a gap say that nothing was lost on the way, not that nothing
was lost. Frames that are missing are missed in the time stamps, and a freeze that the time stamps do not show is seen
in when the pictures came.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

STEP_S = 5.0  # of media time, while what makes the picture is killed, replaced or changed
UNTOUCHED_S = 1.0  # while it is left alone
GAP_S = 5.0  # by the clock between two pictures, where it was worth
BACK_S = 0.5  # of media time, in a copied source: its clock is fitted to ours when packets come late
WORTH_S = 1.0  # of an idle machine, which needs some hundredths
COUNTED = 0.2  # of an idle machine: with less, frames may be left out
LOOK_BACK_S = 2.0  # before a picture: what it did then counts
MOST_TOLD = 5

Worked = Callable[[float, float], float]  # seconds of an idle machine that a time was worth


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is demanded. `fps`: of a picture whose frames all have to come but `missing` of them; None: not counted.
    `copied`: the parameter sets of a copied source may come as a unit of their own, with the stamp of their keyframe.
    """

    step_s: float = STEP_S
    fps: float | None = None
    missing: int = 0
    copied: bool = False
    clock_rate: int = 90_000


def faults(stamps: Sequence[int], arrived: Sequence[float], worked: Worked, judgement: Judgement) -> list[str]:
    """What was wrong with pictures of these RTP time stamps, which came at these seconds of one clock."""
    assert len(stamps) == len(arrived)
    steps = [_signed(b - a) / judgement.clock_rate for a, b in itertools.pairwise(stamps)]
    times = list(itertools.pairwise(arrived))
    least = -BACK_S if judgement.copied else 1 / judgement.clock_rate
    odd = [round(step, 3) for step in steps if not least <= step <= judgement.step_s]
    found = [f"time stamps step by {odd[:MOST_TOLD]} s, at most {judgement.step_s:g} are allowed"] if odd else []
    found += gaps(arrived, worked)
    if judgement.fps is not None:
        lost = sum(_lost(step, *time, judgement.fps, worked) for step, time in zip(steps, times, strict=True))
        found += [f"{lost} frames are missing of {len(stamps) + lost}"] if lost > judgement.missing else []
    return found


def _signed(step: int) -> int:
    """Of 32-bit stamps, which wrap."""
    return (step + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def gaps(moments: Sequence[float], worked: Worked) -> list[str]:
    """Times between two pictures that no load of the machine explains."""
    times = itertools.pairwise(moments)
    late = [(round(b - a, 2), round(worked(a, b), 2)) for a, b in times if b - a > GAP_S and worked(a, b) > WORTH_S]
    return [f"no picture for {late[:MOST_TOLD]} s (by the clock, and weighed)"] if late else []


def _lost(step_s: float, before: float, after: float, fps: float, worked: Worked) -> int:
    """Frames that a step leaves out, if the machine had time for them."""
    since = before - LOOK_BACK_S
    return max(0, round(step_s * fps) - 1) if worked(since, after) > COUNTED * (after - since) else 0
