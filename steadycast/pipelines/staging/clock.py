"""When a picture that was pushed is shown: never sooner than its frame rate allows, on a time line that never goes
back. Pure; all times in nanoseconds."""

from __future__ import annotations

from steadycast.errors import CallerError

SECOND = 1_000_000_000
BURST = 2  # pictures that may come at once after a pause: a producer that was held up by its own machine
ASTRAY = SECOND  # a producer's clock that is further than this from ours is mapped anew


class Pace:
    """One picture for each frame time on average."""

    def __init__(self, fps: int) -> None:
        self._step = SECOND // fps
        self._due = 0

    def wait(self, now: int) -> int:
        """How long until the next one may be shown; 0: now."""
        return max(0, self._due - now)

    def passed(self, now: int) -> None:
        """One was shown."""
        self._due = max(self._due, now - (BURST - 1) * self._step) + self._step


class Timeline:
    """Maps the time stamps of producers onto the running time of the pipeline: differences stay as they are."""

    def __init__(self) -> None:
        self._latest = -1  # running time of the last picture
        self._pts: int | None = None  # of the last that was taken, of this producer
        self._offset: int | None = None
        self.mapped = 0  # how often a producer's clock was mapped anew because it went astray

    def anew(self) -> None:
        """Another producer, whose clock is another."""
        self._pts = self._offset = None

    def check(self, pts: int | None) -> None:
        """Take a time stamp. Raises CallerError `push.pts`, `push.backwards`; then it was not taken."""
        if pts is None:
            return
        if pts < 0:
            raise CallerError(
                "push.pts", f"The time stamp is negative: {pts} ns.", hint="Give 0 or more, or none for 'now'."
            )
        if self._pts is not None and pts <= self._pts:
            what = f"The time stamp {pts} ns is not after {self._pts} ns, that of the picture before."
            hint = "Time stamps must rise; give none for 'now', or connect again where your clock begins anew."
            raise CallerError("push.backwards", what, hint=hint)
        self._pts = pts

    def place(self, pts: int | None, now: int) -> int:
        """The running time of a picture that is shown at `now` (running time, too)."""
        at = now
        if pts is not None:
            if self._offset is None or abs(pts + self._offset - now) > ASTRAY:
                self.mapped += self._offset is not None
                self._offset = now - pts
            at = pts + self._offset
        self._latest = max(at, self._latest + 1)
        return self._latest
