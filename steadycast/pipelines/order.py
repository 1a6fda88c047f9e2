"""Whether frames come in the order in which they are shown, as seen on the frames themselves. Pure."""

from __future__ import annotations

FRAMES = 25  # looked at before "in order" is believed


class FrameOrder:
    """Feed it the time stamps of frames as they are sent; `reorders` is None until it is known."""

    def __init__(self) -> None:
        self._seen = 0
        self._latest: int | None = None
        self.reorders: bool | None = None

    @property
    def settled(self) -> bool:
        return self.reorders is not None

    def see(self, shown_at: int | None) -> None:
        """`shown_at` in any unit; None where the frame does not tell."""
        if self.settled or shown_at is None:
            return
        if self._latest is not None and shown_at < self._latest:
            self.reorders = True
            return
        self._latest = shown_at
        self._seen += 1
        if self._seen >= FRAMES:
            self.reorders = False
