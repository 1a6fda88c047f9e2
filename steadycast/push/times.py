"""Time stamps as programs have them. Pure."""

from __future__ import annotations

import math
from typing import Any

from steadycast.errors import CallerError

LONGEST_S = 4_000_000_000.0  # of Unix time and of every clock of a program; nanoseconds of it fit into 62 bits


def nanoseconds(pts: Any, before: int | None) -> int | None:
    """A time stamp in seconds, as it is sent; None: the moment it arrives. `before` is the last one that was sent.

    Raises CallerError `push.pts`, `push.backwards`.
    """
    if pts is None:
        return None
    hint = "Give seconds as a number of 0 or more, which rises from picture to picture; or none for 'now'."
    try:
        seconds = float(pts)
    except (TypeError, ValueError, OverflowError):
        raise CallerError("push.pts", f"The time stamp {pts!r} is no number.", hint=hint) from None
    if not math.isfinite(seconds) or not 0 <= seconds <= LONGEST_S:
        raise CallerError("push.pts", f"The time stamp is {seconds:g}.", hint=hint)
    value = round(seconds * 1e9)
    if before is not None and value <= before:
        what = f"The time stamp {seconds:.6f} s is not after {before / 1e9:.6f} s, that of the picture before."
        raise CallerError("push.backwards", what, hint=hint)
    return value
