"""An event loop whose clock jumps forward, as that of a process that was stopped for a while."""

from __future__ import annotations

import asyncio


class JumpingLoop(asyncio.SelectorEventLoop):
    """`jump` is what a stop of so many seconds is to the loop."""

    _jumped = 0.0

    def time(self) -> float:
        """As ever, and all jumps."""
        return super().time() + self._jumped

    def jump(self, seconds: float) -> None:
        """Have been stopped for so long."""
        self._jumped += seconds


def running() -> JumpingLoop:
    """The loop that runs now."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    return loop
