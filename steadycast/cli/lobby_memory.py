"""How the memory of a lobby is told in a terminal. Pure: what the host answered in, text out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

MIB = 1 << 20
BAR = 24  # characters of the longest bar
COLUMNS = ("point", "of", "at", "PSS", "more", "", "own", "descriptors", "objects", "GPU")


def rows(memory: dict[str, Any]) -> list[tuple[str, ...]]:
    """A line for each checkpoint; the bar is as long as its memory against the largest."""
    most = max((one["pss"] or 0 for one in memory["checkpoints"]), default=0)
    return [_row(one, most) for one in memory["checkpoints"]]


def profile_lines(memory: dict[str, Any]) -> Iterator[str]:
    """The whole life of the worker in some lines."""
    profile = memory["profile"]
    if profile is None:
        yield "Of its life nothing is known: the host does not look at itself, or saw nothing yet."
        return
    first, most, now = (mib(profile[name]) for name in ("baseline", "peak", "now"))
    yield f"PSS over {profile['hours']:.1f} h: from {first}, at most {most}, now {now}"
    why = profile["why"]
    after = profile["after_hour"]
    yield f"after an hour: {mib(after) if after is not None else why.get('after_hour', 'unknown')}"
    if profile["growth"] is None:
        yield f"growth: unknown yet, {why.get('growth', 'nothing was measured')}"
    else:
        low, high = profile["growth_low"], profile["growth_high"]
        said = "which may be none" if low <= 0 <= high else "95 % sure"
        yield f"growth: {signed(profile['growth'])} an hour, from {signed(low)} to {signed(high)}, {said}"
    yield f"allocations a second: unknown, {why.get('allocations', '')}"


def _row(one: dict[str, Any], most: int) -> tuple[str, ...]:
    at = time.strftime("%H:%M:%S", time.localtime(one["at"]))
    if one["pss"] is None:
        return (one["name"], one["about"] or "-", at, one["why"] or "unknown", *["-"] * 6)
    bar = "▇" * max(1, round(BAR * one["pss"] / most)) if most else ""
    descriptors = _count(one["descriptors"], one["d_descriptors"])
    own, gpu = mib(one["private_dirty"]), mib(one["vram"])
    held = (mib(one["pss"]), signed(one["d_pss"]), bar, own, descriptors, _count(one["objects"], None), gpu)
    return (one["name"], one["about"] or "-", at, *held)


def _count(value: int | None, more: int | None) -> str:
    if value is None:
        return "-"
    return str(value) if not more else f"{value} ({more:+d})"


def mib(value: float | None) -> str:
    """Bytes for people; `-` where they are not known."""
    return "-" if value is None else f"{value / MIB:.1f} MiB"


def signed(value: float | None) -> str:
    """As `mib`, with its sign."""
    return "-" if value is None else f"{value / MIB:+.1f} MiB"
