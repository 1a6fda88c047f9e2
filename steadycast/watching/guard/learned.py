"""What leak detection learned of a server, kept in a file, so that the next guard goes on with it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

from steadycast.tracking.leaks.detection import Detection
from steadycast.watching.common.growth import over_time

KEEP_S = 60.0
FILE = "leaks.json"
BYTES = 64 * 1_048_576


class Learned:
    """The file of one server."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._kept = time.monotonic()

    def restored(self) -> Detection:
        """What is in the file; anew where there is none, or none that can be understood."""
        detection = self.fresh()
        try:
            if self._path.stat().st_size > BYTES:
                return detection
            detection.restore(json.loads(self._path.read_text()))
        except (OSError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return self.fresh()
        return detection

    def fresh(self) -> Detection:
        """One that has learned nothing."""
        return Detection(trends=over_time)

    def keep(self, detection: Detection, *, now: bool = False) -> None:
        """Write it down, once in a while; a full disk costs what was learned, nothing else."""
        if not now and time.monotonic() - self._kept < KEEP_S:
            return
        self._kept = time.monotonic()
        partial = self._path.with_name(f"{FILE}.new")
        with contextlib.suppress(OSError):
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(detection.saved(), file)
            partial.replace(self._path)
