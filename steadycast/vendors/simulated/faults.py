"""Faults on command: their names, and the small file of the driver's folder that holds those in force."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path

from steadycast.errors import CallerError

# Name and what it does; 0 is off for all of them.
FAULTS = {
    "refuse_next": "the next n opens are refused",
    "steal_slot": "the next n opens find every session taken, as if another program had come first",
    "hang_on_open": "1: opens hang until it is 0 again",
    "fail_after_frames": "each new session fails after n frames",
    "stall_after_frames": "each new session takes pictures and makes nothing after n frames",
    "driver_lost": "1: all sessions fail, and opens are refused with code 5, until it is 0 again",
    "memory_copies": "1: sessions say that pictures go through system memory",
    "foreign_sessions": "another program holds n sessions, or as many as it gets",
}
LARGEST = 1_000_000_000


def checked(faults: Mapping[str, float]) -> dict[str, int]:
    """Those faults as whole numbers. Raises CallerError that names what is wrong and what there is."""
    for name, value in faults.items():
        if name not in FAULTS:
            raise _unknown(name)
        if not (0 <= value <= LARGEST) or value != int(value):  # NaN is not between anything
            what = f"The fault `{name}` takes a whole number from 0 to {LARGEST}."
            raise CallerError(
                "fault.value", what, why=f"What it does: {FAULTS[name]}.", hint="0 switches it off.", status=422
            )
    return {name: int(value) for name, value in faults.items()}


def _unknown(name: str) -> CallerError:
    near = difflib.get_close_matches(name, FAULTS, 1)
    return CallerError(
        "fault.unknown",
        f"There is no fault `{name[:80]}`.",
        why=f"The simulated driver knows {', '.join(FAULTS)}.",
        hint=f"Did you mean `{near[0]}`?" if near else None,
        status=422,
    )


class FaultsFile:
    """The faults in force. Whoever writes holds the driver's lock; readers need none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._raw = b""
        self._faults: dict[str, int] = {}

    def read(self) -> Mapping[str, int]:
        """What is in force now; a fault that is off may be missing. Raises OSError."""
        raw = self._path.read_bytes()
        if raw != self._raw:  # a session asks at each frame, and it seldom changes
            self._faults = json.loads(raw)
            self._raw = raw
        return self._faults

    def write(self, faults: Mapping[str, int]) -> None:
        """Put these in force, all at once. Raises OSError."""
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({name: value for name, value in faults.items() if value}))
        new.replace(self._path)

    def use_up(self, name: str) -> bool:
        """Whether this fault strikes now; it is counted down."""
        faults = dict(self.read())
        left = faults.get(name, 0)
        if left > 0:
            self.write({**faults, name: left - 1})
        return left > 0
