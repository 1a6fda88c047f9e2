"""Steadycast: a streaming host that stays up for months.

This package is safe to import anywhere: nothing below imports GStreamer until a worker process is started.
It never starts anything by being imported.
"""

from __future__ import annotations

__version__ = "0.1.0"
