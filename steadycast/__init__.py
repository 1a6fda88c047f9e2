"""Steadycast: a streaming host that stays up for months.

This package is safe to import anywhere: nothing below imports GStreamer until a worker process is started.
It never starts anything by being imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steadycast.push import Push as Push

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`Push` is loaded when it is asked for: most who import this package do not want it."""
    if name == "Push":
        from steadycast.push import Push

        return Push
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
